import Primitives

/// How far a node is trusted (ARCHITECTURE.md, "Trust"). Edge machines can be stolen or are rented.
package enum TrustClass: String, Sendable, CaseIterable {
    case core
    case edge
}

/// Everything a node's configuration file says, parsed and validated once; nothing reads the file again.
///
/// Every key, its unit, default and range stands in configs/README.md.
package struct NodeConfig: Sendable {
    package var name: String
    package var trustClass: TrustClass = .core
    /// Preference for becoming primary, 0...1000; higher is preferred.
    package var rank: Int = 0
    package var dataDirectory: String
    /// Where the command line's socket lies; the data directory unless set.
    package var runtimeDirectory: String?
    package var secretsFile: String
    package var mesh: Mesh
    package var http: HTTP
    package var peers: [Peer] = []
    package var raft = Raft()
    package var gossip = Gossip()
    package var backends: [Backend] = []
    package var health = Health()
    package var limits = Limits()
    package var logLevel: String = "notice"

    package init(name: String, dataDirectory: String, secretsFile: String, mesh: Mesh, http: HTTP) {
        self.name = name
        self.dataDirectory = dataDirectory
        self.secretsFile = secretsFile
        self.mesh = mesh
        self.http = http
    }

    package struct Mesh: Sendable {
        /// UDP and TCP.
        package var listen: Endpoint
        /// The address that others are told; `listen` unless set.
        package var advertise: Endpoint?
        package init(listen: Endpoint) { self.listen = listen }
        package var advertised: Endpoint { advertise ?? listen }
    }

    package struct HTTP: Sendable {
        package var listen: Endpoint
        package var advertise: Endpoint?
        /// Networks on which plain HTTP is accepted. Loopback is always one.
        package var plainNetworks: [Network] = []
        /// Host header names accepted besides loopback names and the listen address.
        package var allowedHosts: [String] = []
        package var certificateFile: String?
        package var privateKeyFile: String?
        package init(listen: Endpoint) { self.listen = listen }
        package var advertised: Endpoint { advertise ?? listen }
    }

    package struct Peer: Sendable {
        package var name: String
        package var mesh: Endpoint
        package init(name: String, mesh: Endpoint) {
            self.name = name
            self.mesh = mesh
        }
    }

    package struct Raft: Sendable {
        /// E: how long a follower waits for its leader, and the base of the leader's lease.
        package var electionTimeout: Duration = .milliseconds(400)
        /// If set, E follows the round trips that leaders measure, is never below this, and `electionTimeout` is only
        /// where it starts.
        package var electionTimeoutMin: Duration?
        package var heartbeatInterval: Duration = .milliseconds(100)
        package init() {}
    }

    package struct Gossip: Sendable {
        package var probeInterval: Duration?
        package init() {}
    }

    package struct Backend: Sendable {
        package enum Kind: String, Sendable, CaseIterable {
            case ollama
            case openai
            /// Built in: answers with a text that says it is a demonstration.
            case demo
        }
        package var name: String
        package var kind: Kind
        /// Base URL without a trailing slash, e.g. `http://127.0.0.1:11434`; empty for `demo`.
        package var url: String
        /// Requests that it generates at once.
        package var slots: Int = 4
        /// Demonstrations only: every answer takes this many times as long. The interface shows it.
        package var slowdown: Double = 1
        package var apiKeyName: String?
        /// A PEM file with whoever signs its certificate, instead of the system's authorities.
        package var authorityFile: String?
        /// A tiny prompt of the node's own, now and then while it is idle, so that the mesh knows its speed.
        package var measuresSpeed: Bool = true
        package init(name: String, kind: Kind, url: String) {
            self.name = name
            self.kind = kind
            self.url = url
        }
    }

    package struct Health: Sendable {
        package var interval: Duration = .seconds(1)
        /// Reported instead of what probes find, for demonstrations and tests.
        package var gpus: [ConfiguredGPU] = []
        package init() {}
    }

    package struct ConfiguredGPU: Sendable {
        package var name: String
        package var memoryTotal: UInt64
        package var memoryUsed: UInt64
        /// 0...1
        package var load: Double
        package init(name: String, memoryTotal: UInt64, memoryUsed: UInt64, load: Double) {
            self.name = name
            self.memoryTotal = memoryTotal
            self.memoryUsed = memoryUsed
            self.load = load
        }
    }

    package struct Limits: Sendable {
        package var requestBodyBytes: Int = 8 << 20
        package var loginAttemptsPerMinute: Int = 20
        package var requestsPerMinutePerUser: Int = 600
        package init() {}
    }
}

/// An address prefix such as `10.0.0.0/8` or `fd00::/8`.
package struct Network: Hashable, Sendable, CustomStringConvertible {
    package let base: Endpoint
    /// Counted on the 128-bit form: an IPv4 prefix length plus 96.
    package let prefixBits: Int

    package static let loopbackIPv4 = Network("127.0.0.0/8")!
    package static let loopbackIPv6 = Network("::1/128")!

    package init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let bits = Int(parts[1]), let base = Endpoint(host: String(parts[0]), port: 0),
            (0...(base.isIPv4 ? 32 : 128)).contains(bits)
        else { return nil }
        self.base = base
        prefixBits = base.isIPv4 ? bits + 96 : bits
    }

    package func contains(_ endpoint: Endpoint) -> Bool {
        let highBits = min(prefixBits, 64)
        let lowBits = max(prefixBits - 64, 0)
        return Self.agree(base.high, endpoint.high, highBits) && Self.agree(base.low, endpoint.low, lowBits)
    }

    package var description: String { "\(base.host)/\(base.isIPv4 ? prefixBits - 96 : prefixBits)" }

    private static func agree(_ a: UInt64, _ b: UInt64, _ bits: Int) -> Bool {
        bits == 0 || (a ^ b) >> (64 - UInt64(bits)) == 0
    }
}
