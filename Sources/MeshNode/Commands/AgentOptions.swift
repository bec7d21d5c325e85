import ArgumentParser
import Foundation

/// Which agent a command asks, as whom, and how it answers.
struct AgentOptions: ParsableArguments {
    @OptionGroup var local: LocalAgentOptions

    @Option(help: ArgumentHelp("The agent at this address, such as http://127.0.0.1:3000.", valueName: "url"))
    var url: String?

    @Option(
        help: ArgumentHelp(
            "Sign in as this user for the one command. The password is asked for, or read from standard input.",
            valueName: "name"))
    var user: String?

    @Flag(help: "Print JSON, for programs.")
    var json = false

    func validate() throws {
        guard url == nil || local.isEmpty else {
            throw ValidationError("Give only one of --config, --dir, --socket and --url.")
        }
        guard user == nil || (local.dir ?? local.socket) == nil else {
            throw ValidationError("--user signs in at an address: give --url or --config with it.")
        }
    }

    /// The help of a command that talks to an agent: `text`, and how the agent is found.
    static func explained(_ text: String = "") -> String {
        let search = """
            Without an option, the agent is sought: the file in MESHNODE_CONFIG, then the address in MESHNODE_URL, then an \
            agent of yours that runs by a file in ./demo-data/configs, ./configs or /etc/meshnode. Through its local socket \
            you need no password: being its user is enough. An address needs --user, or an API key or access token in \
            MESHNODE_TOKEN.
            """
        return text.isEmpty ? search : text + "\n\n" + search
    }

    /// Finds the agent, signs in if asked to, runs the command, and signs out again.
    func ask(_ body: (AgentLink) async throws -> Void) async throws {
        try await Failure.explained(json: json) {
            let place = try await AgentLocator(local, url: url, user: user, json: json).locate()
            guard let user else { return try await body(AgentLink(place, json: json)) }
            guard case .address(let url) = place else { throw UsageError("--user signs in at an address: add --url") }
            var client = MeshClient.atAddress(url, token: nil)
            client.token = try await client.login(user: user, password: try PasswordPrompt.ask(for: user))
            let result: Result<Void, any Error>
            do { result = .success(try await body(AgentLink(client: client, isLocal: false, json: json))) } catch {
                result = .failure(error)
            }
            _ = try? await client.send(.POST, "/mesh/v1/auth/logout", body: Data("{}".utf8))
            try result.get()
        }
    }
}

/// The agents of this machine, by their files.
struct LocalAgentOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The agent that runs by this configuration.", valueName: "file"))
    var config: String?

    @Option(help: ArgumentHelp("The agent whose data (or runtime) directory this is.", valueName: "folder"))
    var dir: String?

    @Option(help: ArgumentHelp("The agent that listens on this Unix socket.", valueName: "path"))
    var socket: String?

    var isEmpty: Bool { config == nil && dir == nil && socket == nil }

    func validate() throws {
        guard [config, dir, socket].compactMap(\.self).count <= 1 else {
            throw ValidationError("Give only one of --config, --dir and --socket.")
        }
    }
}

/// The agent of one command, and how to show what it said.
struct AgentLink {
    let client: MeshClient
    /// Through its socket: as nobody in particular, so that "mine" means everybody's.
    let isLocal: Bool
    let json: Bool

    init(client: MeshClient, isLocal: Bool, json: Bool) {
        self.client = client
        self.isLocal = isLocal
        self.json = json
    }

    init(_ place: AgentPlace, json: Bool) {
        switch place {
        case .socket(let socket): self.init(client: .throughSocket(socket), isLocal: true, json: json)
        case .address(let url):
            self.init(client: .atAddress(url, token: AgentLocator.token), isLocal: false, json: json)
        }
    }

    /// The document for programs, or lines for people.
    func show(_ document: JSONValue, _ lines: () -> [String]) {
        print(json ? String(decoding: document.encode(), as: UTF8.self) : lines().joined(separator: "\n"))
    }
}
