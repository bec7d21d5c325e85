import Gossip
import Primitives

// What goes wrong in a mesh under test, and what its nodes came to believe.
extension TestMesh {
    // MARK: - Faults

    mutating func crash(_ number: Int) { nodes[number].isRunning = false }

    mutating func restart(_ number: Int, epoch: UInt64? = nil, endpoint: Endpoint? = nil, knowing seeds: [Int]? = nil) {
        epochs[number] = epoch ?? epochs[number] + 1
        if let endpoint { endpoints[number] = endpoint }
        let roster = (seeds ?? Array(nodes.indices)).map {
            Contact(id: Self.id($0), name: "n\($0 + 1)", endpoint: Self.endpoint($0))
        }
        nodes[number] = Node(core: makeCore(number, roster: roster))
    }

    /// A copy of a node's disk is started on another machine: same key, next boot epoch, own address.
    mutating func startCopy(of number: Int) -> Int {
        let copy = nodes.count
        endpoints.append(Self.endpoint(copy))
        identities.append(number)
        epochs.append(epochs[number] + 1)
        let roster = (0..<copy).map { Contact(id: Self.id($0), name: "n\($0 + 1)", endpoint: Self.endpoint($0)) }
        nodes.append(Node(core: makeCore(copy, roster: roster)))
        return copy
    }

    mutating func pause(_ number: Int) { nodes[number].isPaused = true }

    /// Continues a stopped process: its socket is drained before its timers fire.
    mutating func resume(_ number: Int, losingInbox: Bool = false) {
        nodes[number].isPaused = false
        let inbox = losingInbox ? [] : nodes[number].inbox
        nodes[number].inbox = []
        for datagram in inbox { deliver(datagram) }
    }

    mutating func cut(from: Int, to: Int) { cuts.insert(from * 1000 + to) }

    mutating func partition(_ one: [Int], from other: [Int]) {
        for a in one {
            for b in other {
                cut(from: a, to: b)
                cut(from: b, to: a)
            }
        }
    }

    mutating func heal() { cuts.removeAll() }

    // MARK: - Questions

    func state(of subject: Int, at observer: Int) -> MemberState? {
        nodes[observer].core.member(Self.id(subject))?.state
    }

    func everyone(_ observers: [Int], holds subject: Int, _ state: MemberState) -> Bool {
        observers.allSatisfy { self.state(of: subject, at: $0) == state }
    }

    var everyoneAlive: Bool {
        nodes.indices.allSatisfy { everyone(Array(nodes.indices), holds: $0, .alive) }
    }

    /// The changes to a state that observers saw in a member.
    func changes(of subject: Int, to state: MemberState, at observers: [Int]) -> [Event] {
        events.filter { event in
            guard observers.contains(event.observer), case .memberChanged(let member) = event.effect else {
                return false
            }
            return member.id == Self.id(subject) && member.state == state
        }
    }

    func core(_ number: Int) -> Membership { nodes[number].core }

    mutating func forgetEvents() { events.removeAll() }

    mutating func resetTraffic() {
        for number in nodes.indices {
            nodes[number].bytesSent = 0
            nodes[number].payloadsSent = 0
        }
    }

    func bytesPerSecond(over span: Duration) -> Double {
        Double(nodes.reduce(0) { $0 + $1.bytesSent }) / Double(nodes.count) / span.inSeconds
    }

    // MARK: - Sections

    static let health = SectionID(value: 2)

    mutating func publish(_ bytes: [UInt8], at number: Int) {
        input(number) { core, now, _ in core.publish(Self.health, bytes: bytes, now: now) }
    }

    func everyoneHolds(_ bytes: [UInt8], of owner: Int) -> Bool {
        nodes.indices.allSatisfy { core($0).section(Self.health, of: Self.id(owner))?.bytes == bytes }
    }
}
