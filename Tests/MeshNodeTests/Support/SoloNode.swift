import Foundation

/// A node without peers in a folder of its own: its configuration, made fit to be spoiled.
struct SoloNode {
    let folder: URL
    let config: String
    let http: Int
    let mesh: Int

    var dataDirectory: String { folder.path + "/data" }
    var secrets: String { folder.path + "/solo.secrets.yaml" }
    var client: NodeClient { NodeClient(name: "solo", base: "http://127.0.0.1:\(http)") }

    /// Writes the configuration; nothing is provisioned yet.
    init(in folder: URL) throws {
        self.folder = folder
        config = folder.path + "/solo.yaml"
        (http, mesh) = try LoopbackPorts.free()
        try write(Self.text(http: http, mesh: mesh))
    }

    /// The keys stand on lines 1 to 7.
    static func text(http: Int, mesh: Int) -> String {
        """
        name: solo
        data_dir: data
        secrets_file: solo.secrets.yaml
        mesh:
          listen: 127.0.0.1:\(mesh)
        http:
          listen: 127.0.0.1:\(http)

        """
    }

    func write(_ text: String) throws { try Data(text.utf8).write(to: URL(fileURLWithPath: config)) }

    /// Replaces a line's text; the first line is 1.
    func replaceLine(_ number: Int, with text: String) throws {
        var lines = try String(contentsOfFile: config, encoding: .utf8).split(separator: "\n").map(String.init)
        lines[number - 1] = text
        try write(lines.joined(separator: "\n") + "\n")
    }

    /// `meshnode init`; returns the administrator's password.
    func provision() async throws -> String {
        let outcome = try await ChildProcess.runMeshNode(["init", "--json", config])
        guard outcome.status == 0,
            let password = try JSONDecoder().decode(JSONDocument.self, from: Data(outcome.output.utf8))["password"].text
        else { throw DemoTrouble("init failed: \(outcome.complaints)") }
        return password
    }

    /// Runs the agent while `body` does, once it answers.
    func whileRunning<Result>(_ body: (ChildProcess) async throws -> Result) async throws -> Result {
        let agent = try ChildProcess.meshNode(["run", "--config", config, "--until-input-ends"])
        do {
            try await pollUntil("the agent is ready", within: .seconds(15)) {
                try await client.get("/health/ready").status == 200
            }
            let result = try await body(agent)
            await agent.stop()
            return result
        } catch {
            await agent.stop()
            throw DemoTrouble("\(error)\n\(agent.complaints)")
        }
    }

    /// Every file below the folder with its bytes, but the counter of starts and the log's lock, which each start touches.
    func contents() throws -> [String: Data] {
        var found: [String: Data] = [:]
        for name in FileManager.default.enumerator(atPath: folder.path)?.compactMap({ $0 as? String }) ?? [] {
            guard !name.hasSuffix("/boot-epoch"), !name.hasSuffix("/lock") else { continue }
            found[name] = FileManager.default.contents(atPath: folder.path + "/" + name) ?? Data()
        }
        return found
    }

    func setMode(_ mode: Int, of path: String) throws {
        try FileManager.default.setAttributes([.posixPermissions: NSNumber(value: mode)], ofItemAtPath: path)
    }
}
