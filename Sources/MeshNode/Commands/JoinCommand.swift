import ArgumentParser
import Foundation
import NodeCore
import SecureChannel

/// `meshnode join`: this machine becomes a node of a mesh that exists.
struct JoinCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "join", abstract: "Make this machine a node of a mesh, with a token from it.",
        usage: "meshnode join --config <file> [--token-file <file>]",
        discussion: """
            The token ('meshnode token create' on a core node) is read from standard input, or from a file; it is never an \
            argument. Fills the data directory that the configuration names and makes the secrets file if there is none; then \
            start the agent with 'meshnode run'. The token says what this node is: 'class' and 'rank' of the configuration do \
            not count. After a failure try again with the same token: the keys of the first attempt are used again.
            """)

    @Option(help: "The configuration of this machine's node.") var config: String
    @Option(help: "The file that holds the token; standard input if it is not given.") var tokenFile: String?
    @Flag(help: "Print JSON, for programs.") var json = false

    func run() async throws {
        umask(0o077)
        try await Failure.explained(json: json) {
            let config = try ConfigFile.load(config)
            guard let ticket = JoinTicket(Self.firstLine(try readToken())) else {
                throw UsageError("that is no join token: it begins with 'mnjoin1.' and must be complete")
            }
            let result = try Joining(config: config, ticket: ticket).run()
            if json {
                try JSONLine.write(
                    Joined(
                        node: result.name, class: result.trustClass.rawValue, rank: result.rank,
                        role: result.mayVote ? "voter" : "observer"))
            } else {
                let role = result.mayVote ? "may vote" : "observer"
                print(
                    "\(result.name) belongs to the mesh now: \(result.trustClass.rawValue), rank \(result.rank), \(role)."
                )
                print("\(result.through) let it in. Start it with 'meshnode run --config \(self.config)'.")
            }
        }
    }

    /// 'meshnode token create' says more than the token, after it.
    static func firstLine(_ text: String) -> String { String(text.trimmed.prefix { !$0.isNewline }).trimmed }

    private func readToken() throws -> String {
        guard let tokenFile else {
            guard isatty(STDIN_FILENO) == 0 else { return try PasswordPrompt.askToken() }
            return String(
                decoding: FileHandle.standardInput.readData(ofLength: JoinTicket.textByteCountMax + 2), as: UTF8.self)
        }
        guard let data = FileManager.default.contents(atPath: tokenFile) else {
            throw UsageError("the file \(tokenFile) cannot be read")
        }
        return String(decoding: data.prefix(JoinTicket.textByteCountMax + 2), as: UTF8.self)
    }

    private struct Joined: Encodable {
        let node: String
        let `class`: String
        let rank: Int
        let role: String
    }
}
