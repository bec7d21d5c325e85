import NodeCore
import Primitives
import Raft

// Who votes, who follows, and how a node is taken out.
extension ScenarioRunner {
    /// `remove n5 on=n1`: asks n1 to have n5 taken out of the configuration. `on` the node itself unless given.
    mutating func remove(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        let (node, asked) = try removal(command)
        let answer = world.wait(for: world.removeMember(node, on: asked))
        guard case .committed = answer else { return [describe(answer, on: asked)] }
        return ["\(world.name(of: node)) is removed, as \(world.name(of: asked)) was told"]
    }

    /// The node to be removed, and the one that is asked.
    func removal(_ command: Scenario.Command) throws(ScenarioError) -> (node: Int, asked: Int) {
        let node = try node(command)
        guard let name = command.option("on") else { return (node, node) }
        return (node, try nodes([name], command)[0])
    }

    /// `configuration n1`: who decides and who follows, as that node's log says.
    func configuration(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        let node = try node(command)
        guard let configuration = world.brain(of: node)?.consensus.configuration else {
            return ["\(world.name(of: node)) is down"]
        }
        let names = { (replicas: [ReplicaID]) in
            replicas.map { replica in
                (0..<world.nodeCount).first { world.replica(of: $0) == replica }.map(world.name(of:))
                    ?? "a former replica"
            }.sorted().joined(separator: " ")
        }
        var line = "voters \(names(configuration.voters))"
        if configuration.isJoint { line += ", and until they agree also \(names(configuration.outgoing))" }
        if !configuration.learners.isEmpty { line += "; observers \(names(configuration.learners))" }
        return [line + ", as \(world.name(of: node)) has it"]
    }
}
