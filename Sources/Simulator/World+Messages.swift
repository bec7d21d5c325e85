import NodeCore
import Primitives

// How messages travel: datagrams as the network pleases, streams in order.
extension World {
    mutating func transmit(_ input: NodeInput, from: Int, to: Int) {
        guard case .delivered(let delay, let repeatDelay) = network.fate(from: from, to: to, random: &random) else {
            return
        }
        queue.add(.arrival(to, inFlight.put(input)), at: now + delay)
        if let repeatDelay { queue.add(.arrival(to, inFlight.put(input)), at: now + repeatDelay) }
    }

    /// Like TCP: in order, once, late where datagrams would be lost, and gone with the connection when the link is cut.
    mutating func transmitOnStream(_ input: NodeInput, from: Int, to: Int) {
        guard let delay = network.streamDelay(from: from, to: to, random: &random) else { return }
        let at = max(now + delay, network.streamFreeAt(from: from, to: to))
        network.noteStream(from: from, to: to, arrivesAt: at)
        queue.add(.arrival(to, inFlight.put(input)), at: at)
    }

    package mutating func isolate(_ node: Int) {
        network.partition([(0..<nodes.count).filter { $0 != node }])
    }

    func index(of endpoint: Endpoint) -> Int? {
        guard endpoint.isIPv4 else { return nil }
        let number = Int(endpoint.low & 0xFF)
        return (1...nodes.count).contains(number) ? number - 1 : nil
    }
}
