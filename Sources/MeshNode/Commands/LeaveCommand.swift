import ArgumentParser
import Foundation

/// `meshnode leave`: this machine's node says goodbye and its agent ends.
struct LeaveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "leave", abstract: "Let this machine's node say goodbye to the mesh, and end its agent.",
        discussion: """
            The others show it as 'left' at once, instead of waiting for it and suspecting it. Requests under way are \
            finished first. Its vote is taken out of the mesh before, so that no quorum counts it; 'meshnode run' brings it back, \
            without a vote until it has kept up for a while. With --keep-vote it stays a voter, for a short absence, as SIGTERM \
            leaves it. Refused if the mesh could decide nothing without it, unless --force is given. Only through the local \
            socket.
            """)

    @Flag(help: "Leave even if no quorum remains.") var force = false
    @Flag(help: "Stay a voter: the quorum goes on counting it.") var keepVote = false
    @OptionGroup(title: "Which Agent") var local: LocalAgentOptions
    @Flag(help: "Print JSON, for programs.") var json = false

    /// Requests under way have this long to end.
    private static let endLimit: Duration = .seconds(60)

    func run() async throws {
        try await Failure.explained(json: json) {
            let socket = try await AgentLocator(local, url: nil, user: nil, json: json).locateSocket()
            let agent = AgentLink(.socket(socket), json: json)
            let query = [force ? "force=true" : nil, keepVote ? "keep_vote=true" : nil].compactMap { $0 }
            let path = "/mesh/v1/leave" + (query.isEmpty ? "" : "?" + query.joined(separator: "&"))
            let document = try await agent.client.send(.POST, path).json
            let hasEnded = await waitForEnd(of: document["pid"]?.integer ?? 0)
            let name = document["node"].shown
            guard hasEnded else {
                throw MeshClient.Unanswered(
                    description: "\(name) is leaving, but its agent has not ended yet; look at its log")
            }
            agent.show(.object(["node": .string(name), "left": .bool(true)])) {
                let voter = document["is_voter"]?.isTrue == true ? " It stays a voter: the quorum counts it." : ""
                return ["\(name) has left the mesh, and its agent has ended.\(voter)"]
            }
        }
    }

    private func waitForEnd(of pid: Int) async -> Bool {
        guard let pid = Int32(exactly: pid), pid > 0 else { return false }
        let deadline = ContinuousClock.now + Self.endLimit
        while ContinuousClock.now < deadline {
            if kill(pid, 0) != 0 { return true }
            try? await Task.sleep(for: .milliseconds(20))
        }
        return false
    }
}
