import Authority
import NodeCore
import Primitives

// Refresh tokens: each buys its successor, and the session's holder learns it from the answer alone.
extension ScenarioRunner {
    /// `refresh n2 session=S1`: presents the token that the holder has, and prints which successor it was given.
    mutating func refresh(_ command: Scenario.Command) throws(ScenarioError) -> [String] {
        let node = try node(command)
        let (label, _) = try session(command)
        guard let rotation = try rotation(command) else { return ["\(label) was never granted"] }
        let answer = commit(.rotateRefresh(rotation), on: node)
        guard case .committed(.rotated(_, let sealed), _) = answer, let number = sealed.first.map(Int.init) else {
            return [describe(answer, on: node)]
        }
        refreshTokens[label] = successors[number - 1]
        return ["\(label) refreshed on \(world.name(of: node)): successor T\(number)"]
    }

    /// A new successor for the token that the holder has. What is sealed here is only its number.
    mutating func rotation(_ command: Scenario.Command) throws(ScenarioError) -> RefreshRotation? {
        let (label, granted) = try session(command)
        guard let granted, let presented = refreshTokens[label] else { return nil }
        let successor = Bytes32.drawn(from: &world.random)
        successors.append(successor)
        guard let number = UInt8(exactly: successors.count) else {
            throw ScenarioError(line: command.line, reason: "a story has at most 255 refreshes")
        }
        return RefreshRotation(
            session: granted.id, presentedHash: presented, successorHash: successor, sealedSuccessor: [number])
    }
}
