import Foundation
import Gossip
import MeshNode
import NodeCore
import Primitives
import Testing

/// configs/README.md against the parser: the same keys, the same defaults, the same ranges.
@Suite("Configuration as it is documented")
struct ConfigReadmeTests {
    @Test("every documented key is known, and every known key is documented")
    func keys() throws {
        let rows = try ConfigTable.rows()
        #expect(rows.count > 35)
        let sections = Set(rows.map(\.section))
        for section in sections {
            let documented = Set(rows.filter { $0.section == section }.map(\.key))
                .union(sections.compactMap { ConfigTable.child($0, of: section) })
            var draft = ConfigDraft()
            draft[section, "a-key-that-nobody-has"] = "1"
            let refusal = #expect(throws: ConfigError.self) { try draft.parse() }
            let text = try #require(refusal?.description.split(separator: "known keys here: ").last)
            let known = Set(text.split(separator: ", ").map(String.init))
            #expect(known == documented, "in '\(section)'")
        }
    }

    @Test("every default is the documented one, and what is required is missed")
    func defaults() throws {
        for row in try ConfigTable.rows() {
            var draft = ConfigDraft()
            draft[row.section, row.key] = nil
            if row.fallback.hasPrefix("required") {
                #expect(throws: ConfigError.self, "\(row.section) \(row.key)") { try draft.parse() }
                continue
            }
            let read = try #require(
                ConfigTable.readers["\(row.section).\(row.key)"], "no reader for \(row.section).\(row.key)")
            #expect(read(try draft.parse()) == row.fallback, "\(row.section).\(row.key)")
        }
    }

    @Test("both ends of every documented range are accepted, and what lies beyond is refused")
    func ranges() throws {
        var count = 0
        for row in try ConfigTable.rows() {
            guard let range = row.range else { continue }
            count += 1
            for (value, isGood) in range.samples {
                var draft = ConfigDraft()
                draft[row.section, row.key] = value
                // The documented condition on the heartbeat needs a long election timeout; a demo backend has no URL.
                if value == "demo" { draft[row.section, "url"] = nil }
                if row.key == "heartbeat_interval" { draft["raft", "election_timeout"] = "10s" }
                if isGood {
                    #expect(throws: Never.self, "\(row.section).\(row.key): \(value)") { try draft.parse() }
                } else {
                    let refusal = #expect(throws: ConfigError.self, "\(row.section).\(row.key): \(value)") {
                        try draft.parse()
                    }
                    #expect(refusal?.description.contains(row.key) == true)
                }
            }
        }
        #expect(count >= 12)
    }

    @Test("a key with api_key_secret turns measuring off, unless it is asked for")
    func measuring() throws {
        var draft = ConfigDraft()
        draft["backends[]", "api_key_secret"] = "vllm"
        #expect(try draft.parse().backends[0].measuresSpeed == false)
        draft["backends[]", "measure_speed"] = "true"
        #expect(try draft.parse().backends[0].measuresSpeed)
    }

    @Test("a heartbeat beyond a third of the election timeout, TLS by half and a ninth backend are refused")
    func conditions() throws {
        var draft = ConfigDraft()
        draft["raft", "heartbeat_interval"] = "134ms"
        #expect(throws: ConfigError.self) { try draft.parse() }
        draft["raft", "heartbeat_interval"] = "133ms"
        #expect(throws: Never.self) { try draft.parse() }
        draft = ConfigDraft()
        draft["http", "tls_certificate"] = "cert.pem"
        #expect(throws: ConfigError.self) { try draft.parse() }
        draft["http", "tls_private_key"] = "key.pem"
        #expect(try draft.parse().http.certificateFile == "/folder/cert.pem", "relative to the file")
        let backends = (1...9).map { "{name: b\($0), kind: demo}" }
        for (count, isGood) in [(8, true), (9, false)] {
            draft = ConfigDraft()
            draft["", "backends"] = "[\(backends.prefix(count).joined(separator: ", "))]"
            #expect(((try? draft.parse()) != nil) == isGood, "\(count) backends")
        }
    }

    @Test("the shipped files are read without complaint, and say what their names say")
    func shipped() throws {
        let folder = DemoProcess.repository.appendingPathComponent("configs")
        for name in ["aurora", "vengeance", "runpod-tx", "robbiebook1", "sark"] {
            let config = try ConfigFile.load(folder.appendingPathComponent("\(name).yaml").path)
            #expect(config.name == name && config.peers.count == 4)
        }
    }
}

/// A small configuration that is good, to be changed key by key. Sections are named as the tables of the README name
/// them: "" for the root, `health.gpus[]` for an entry of that list.
private struct ConfigDraft {
    private var values: [String: [String: String]] = [
        "": ["name": "n", "data_dir": "d", "secrets_file": "s"],
        "mesh": ["listen": "127.0.0.1:7946"],
        "http": ["listen": "127.0.0.1:3000"],
        "peers[]": ["name": "p", "mesh": "127.0.0.1:7947"],
        "raft": [:], "gossip": [:],
        "backends[]": ["name": "b", "url": "http://127.0.0.1:1"],
        "health": [:], "health.gpus[]": ["name": "g"], "limits": [:],
    ]

    subscript(section: String, key: String) -> String? {
        get { values[section]?[key] }
        set { values[section, default: [:]][key] = newValue }
    }

    func parse() throws(ConfigError) -> NodeConfig { try ConfigFile.parse(text, file: "/folder/n.yaml") }

    private var text: String {
        var root = values["", default: [:]]
        for section in ["mesh", "http", "raft", "gossip", "limits"] { root[section] = mapping(section) }
        for list in ["peers", "backends"] where root[list] == nil { root[list] = "[\(mapping(list + "[]"))]" }
        var health = values["health", default: [:]]
        if health["gpus"] == nil { health["gpus"] = "[\(mapping("health.gpus[]"))]" }
        root["health"] = Self.flow(health)
        return Self.flow(root)
    }

    private func mapping(_ section: String) -> String { Self.flow(values[section, default: [:]]) }

    private static func flow(_ pairs: [String: String]) -> String {
        "{" + pairs.sorted { $0.key < $1.key }.map { "\($0): \($1)" }.joined(separator: ", ") + "}"
    }
}

/// The tables of configs/README.md.
private enum ConfigTable {
    struct Row {
        let section: String
        let key: String
        /// Without backticks.
        let fallback: String
        let range: Range?
    }

    /// Values at and beyond the ends of a documented range.
    struct Range {
        let samples: [(String, Bool)]
    }

    static func rows() throws -> [Row] {
        let file = DemoProcess.repository.appendingPathComponent("configs/README.md")
        let text = try String(contentsOf: file, encoding: .utf8).components(separatedBy: "## Secrets")[0]
        return text.split(separator: "\n").filter { $0.hasPrefix("| `") }.flatMap { line -> [Row] in
            let cells = line.split(separator: "|", omittingEmptySubsequences: false)
                .map { $0.trimmingCharacters(in: .whitespaces) }
            let names = words(cells[1])
            let parts = names[0].split(separator: ".").map(String.init)
            let section = parts.dropLast().joined(separator: ".")
            let fallback = cells[3].replacingOccurrences(of: "`", with: "")
            return ([parts[parts.count - 1]] + names.dropFirst()).map {
                Row(section: section, key: $0, fallback: fallback, range: range(cells[4]))
            }
        }
    }

    /// The key under which `section` stands in `parent`, if it does.
    static func child(_ section: String, of parent: String) -> String? {
        let parts = section.split(separator: ".").map(String.init)
        guard let last = parts.last, parts.dropLast().joined(separator: ".") == parent else { return nil }
        return last.replacingOccurrences(of: "[]", with: "")
    }

    private static func words(_ cell: String) -> [String] {
        cell.split(separator: "`").map(String.init).filter { !$0.allSatisfy { " ,".contains($0) } }
    }

    private static func range(_ cell: String) -> Range? {
        if cell.hasSuffix("letters, digits, `-`, `_`, `.`") {
            return Range(samples: [
                ("a", true), (String(repeating: "a", count: 64), true),
                (String(repeating: "a", count: 65), false), ("a b", false),
            ])
        }
        let isChoice = cell.hasPrefix("`") && !cell.replacing(#/`[^`]*`/#, with: "").contains { !", ".contains($0) }
        if isChoice {
            return Range(samples: words(cell).map { ($0, true) } + [("zzz", false)])
        }
        let ends = cell.split(separator: ",", maxSplits: 1, omittingEmptySubsequences: false)
        // A comma inside a number is not one behind the range.
        let plain = cell.replacingOccurrences(of: ",", with: "")
        if let match = plain.wholeMatch(of: #/(\d+) to (\d+)/#), let low = Int(match.1), let high = Int(match.2) {
            return Range(samples: [("\(low)", true), ("\(high)", true), ("\(low - 1)", false), ("\(high + 1)", false)])
        }
        if let match = ends[0].wholeMatch(of: #/(\d+\w+) to (\d+\w+)/#),
            let low = Duration(spelled: String(match.1)), let high = Duration(spelled: String(match.2))
        {
            return Range(samples: [
                (low.spelled, true), (high.spelled, true), ((low - .milliseconds(1)).spelled, false),
                ("\(high.inMilliseconds + 1)ms", false),
            ])
        }
        return nil
    }

    /// How a default reads in the table.
    static let readers: [String: @Sendable (NodeConfig) -> String] = [
        ".runtime_dir": { $0.runtimeDirectory ?? "data_dir" },
        ".class": { $0.trustClass.rawValue }, ".rank": { "\($0.rank)" }, ".log_level": { $0.logLevel },
        "mesh.advertise": { $0.mesh.advertised == $0.mesh.listen ? "mesh.listen" : "another" },
        "http.advertise": { $0.http.advertised == $0.http.listen ? "http.listen" : "another" },
        "http.tls_certificate": { $0.http.certificateFile ?? "none" },
        "http.tls_private_key": { $0.http.privateKeyFile ?? "none" },
        "http.plain_networks": { $0.http.plainNetworks.isEmpty ? "none" : "some" },
        "http.allowed_hosts": { $0.http.allowedHosts.isEmpty ? "none" : "some" },
        "raft.election_timeout": { $0.raft.electionTimeout.spelled },
        "raft.election_timeout_min": { $0.raft.electionTimeoutMin?.spelled ?? "not set" },
        "raft.heartbeat_interval": {
            $0.raft.heartbeatInterval * 4 == $0.raft.electionTimeout
                ? "a quarter of E" : $0.raft.heartbeatInterval.spelled
        },
        "gossip.probe_interval": { ($0.gossip.probeInterval ?? GossipConfig().probeInterval).spelled },
        "backends[].kind": { $0.backends[0].kind.rawValue }, "backends[].slots": { "\($0.backends[0].slots)" },
        "backends[].slowdown": { "\(Int($0.backends[0].slowdown))" },
        "backends[].api_key_secret": { $0.backends[0].apiKeyName ?? "none" },
        "backends[].tls_authority": { $0.backends[0].authorityFile ?? "none" },
        "backends[].measure_speed": { "\($0.backends[0].measuresSpeed); false with api_key_secret" },
        "health.interval": { $0.health.interval.spelled },
        "health.gpus": { _ in NodeConfig.Health().gpus.isEmpty ? "none" : "some" },
        "health.gpus[].memory_total": { "\($0.health.gpus[0].memoryTotal)" },
        "health.gpus[].memory_used": { "\($0.health.gpus[0].memoryUsed)" },
        "health.gpus[].load": { "\(Int($0.health.gpus[0].load))" },
        "limits.request_body": { "\($0.limits.requestBodyBytes >> 20)MiB" },
        "limits.login_attempts_per_minute": { "\($0.limits.loginAttemptsPerMinute)" },
        "limits.requests_per_minute": { "\($0.limits.requestsPerMinutePerUser)" },
    ]
}
