import Primitives

/// Whom each observer fetches from, so that no replica serves more than a few however many there are.
///
///     leader --> observers 0...7        served like voters
///                  observer 0 --> observers 8...15     fetch committed entries, and how recent they are
///                  observer 1 --> observers 16...23
///                    ...
///
/// A heap of fan-out 8 over the observers in the order of their ids: a function of the configuration alone, so that nobody
/// has to agree on it. Three levels hold 584 observers.
package struct ObserverTree {
    package static let fanOut = 8

    private let observers: [ReplicaID]
    private let voters: [ReplicaID]

    package init(_ configuration: Configuration) {
        observers = configuration.learners
        voters = configuration.voters
    }

    /// Served by the leader without asking.
    package var top: ArraySlice<ReplicaID> { observers.prefix(Self.fanOut) }

    /// Whom an observer asks, in this order, as long as those before are silent: its parent, the parent's parent and so on,
    /// the voters, beginning with another one for each observer, and the leader, who alone has snapshots to send, last.
    package func sources(of replica: ReplicaID, leader: ReplicaID?) -> [ReplicaID] {
        guard var place = observers.firstIndex(of: replica) else { return [] }
        let turn = place % voters.count
        var sources: [ReplicaID] = []
        while place >= Self.fanOut {
            place = place / Self.fanOut - 1
            sources.append(observers[place])
        }
        sources += (voters[turn...] + voters[..<turn]).filter { $0 != leader }
        if let leader, leader != replica { sources.append(leader) }
        return sources
    }
}
