import Foundation
import NodeCore

/// The demo's administrator and API key, kept with the demo so that a second run signs in alike.
final class DemoAccount {
    private struct Kept: Codable {
        var user: String
        var password: String
        var apiKey: String?
    }

    private let path: String
    private var kept: Kept

    var user: String { kept.user }
    var password: String { kept.password }

    /// Provisions the nodes on the first run of a directory.
    static func open(_ directory: String, configs: [String]) throws -> DemoAccount {
        let path = directory + "/demo.json"
        if let data = FileManager.default.contents(atPath: path) {
            guard let kept = try? JSONDecoder().decode(Kept.self, from: data) else {
                throw DemoFailure("\(path) is damaged; remove \(directory) to start a new demo")
            }
            return DemoAccount(path: path, kept: kept)
        }
        var loaded: [NodeConfig] = []
        for config in configs { loaded.append(try ConfigFile.load(config)) }
        let made = try Provisioning.run(loaded, administrator: "admin")
        let account = DemoAccount(path: path, kept: Kept(user: made.administrator, password: made.password))
        try account.save()
        return account
    }

    private init(path: String, kept: Kept) {
        self.path = path
        self.kept = kept
    }

    /// The kept API key if it still works there, else a new one.
    func apiKey(at http: String) async throws -> String {
        if let key = kept.apiKey {
            // A node that has just started knows no key before it has caught up.
            guard await MeshClient(base: http).isReady() else { throw DemoFailure("\(http) is not caught up yet") }
            do {
                _ = try await MeshClient(base: http, token: key).status()
                return key
            } catch let refused as MeshClient.Refused where refused.status == 401 {
                // Revoked meanwhile: make another.
                kept.apiKey = nil
            }
        }
        let token = try await MeshClient(base: http).login(user: kept.user, password: kept.password)
        let key = try await MeshClient(base: http, token: token).createAPIKey(label: "demo")
        kept.apiKey = key
        try save()
        return key
    }

    private func save() throws {
        try PrivateFile.replace(path, Array(try JSONEncoder().encode(kept)))
    }
}
