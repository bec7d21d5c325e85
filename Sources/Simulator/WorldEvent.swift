import NodeCore

/// What is queued for later. Plain numbers, so that the queue moves them cheaply.
enum WorldEvent: Sendable {
    case wake(Int, life: Int)
    /// A message, by its place in `InFlight`.
    case arrival(Int, Int)
    case streamArrival(StreamID, Int)
    case diskStep(Int, life: Int)
    case wallClock(Int, life: Int)
    case resume(Int)
    /// Work beside the loop is done; its outcome lies in `InFlight`.
    case worked(Int, life: Int, Int)
    /// A node that takes its time to come up.
    case start(Int, life: Int)
}

/// One connection between two nodes, in one direction.
struct StreamID: Hashable, Sendable {
    let from: UInt8
    let to: UInt8
    let generation: UInt32

    init(from: Int, to: Int, generation: UInt32) {
        self.from = UInt8(from)
        self.to = UInt8(to)
        self.generation = generation
    }
}

/// Messages under way, each at a place that is reused once it has arrived.
struct InFlight: Sendable {
    private var parcels: [NodeInput?] = []
    private var free: [Int] = []

    mutating func put(_ input: NodeInput) -> Int {
        guard let place = free.popLast() else {
            parcels.append(input)
            return parcels.count - 1
        }
        parcels[place] = input
        return place
    }

    mutating func take(_ place: Int) -> NodeInput {
        guard let input = parcels[place].take() else { preconditionFailure("nothing is under way at \(place)") }
        free.append(place)
        return input
    }
}
