import Authority
import Foundation
import Gossip
import MeshNode
import NodeCore
import Primitives
import Raft
import Routing
import Testing

@Suite("What a node shows: status, events, health, metrics", .timeLimit(.minutes(1)))
struct HTTPStatusTests {
    private static func member(_ name: String, _ id: UInt64, state: MemberState, health: MemberHealth?) -> MemberView {
        MemberView(
            id: NodeID(high: 0, low: id), name: name, endpoint: Endpoint(ipv4: 127, 0, 0, 1, port: 7947), state: state,
            incarnation: Incarnation(bootEpoch: 4, counter: 1), isSelf: false, isVoter: false,
            roundTrip: .microseconds(310),
            descriptor: NodeDescriptor(
                http: Endpoint(ipv4: 127, 0, 0, 1, port: 3001), trustClass: .core, rank: 7, version: "0.1.0",
                verificationKey: Array(repeating: 1, count: 32), servesTLS: false),
            health: health)
    }

    private static let vitals = Vitals(
        cpuLoad: 0.125, cores: 16, memoryUsedBytes: 1234, memoryTotalBytes: 5678, uptimeSeconds: 60,
        gpus: [GPUReport(name: "RTX \"4090\"", load: 0.4, memoryUsedBytes: 1, memoryTotalBytes: 2, source: .nvidiaSMI)])

    @Test("the document has every field that docs/API.md names, for itself and for each member")
    func document() async throws {
        try await TestNode.run { node async throws in
            let now = node.core.now()
            let model = try #require(
                ModelReport(name: "smollm2:135m", backend: 0, isLoaded: true, sizeBytes: 98, decodeTokensPerSecond: 128)
            )
            let load = Load(backends: [BackendReport(name: "local", kind: .openai, slots: 4, running: 1, slowdown: 2)])
            node.core.setMembers([
                Self.member(
                    "vengeance", 2, state: .alive,
                    health: MemberHealth(
                        vitals: Self.vitals, load: load, catalog: Catalog(models: [model]), receivedAt: now)),
                Self.member("sark", 3, state: .suspect, health: nil),
            ])
            node.core.advance(by: .milliseconds(480))
            let reply = try await node.get("/mesh/v1/status", try await node.bearer())
            #expect(reply.fields["content-type"] == "application/json" && reply.fields["cache-control"] == "no-store")
            let json = reply.json
            #expect(json["node"] as? String == "aurora" && json["role"] as? String == "leader")
            #expect(json["term"] as? Int == 3 && json["epoch"] as? Int == 3)
            #expect((json["cluster_id"] as? String)?.count == 32)
            #expect(!reply.body.contains("0909"))
            let quorum = try #require(json["quorum"] as? [String: Any])
            #expect(quorum["has_quorum"] as? Bool == true && quorum["needed"] as? Int == 1)
            #expect(quorum["observers"] as? Int == 0 && quorum["is_changing"] as? Bool == false)
            #expect(json["election_timeout_ms"] as? Int == 300)
            let members = try #require(json["members"] as? [[String: Any]])
            let member = members[0]
            #expect(member["name"] as? String == "vengeance" && member["state"] as? String == "alive")
            #expect(member["address"] as? String == "127.0.0.1:7947")
            #expect(member["is_voter"] as? Bool == false && member["is_observer"] as? Bool == false)
            #expect(member["http"] as? String == "http://127.0.0.1:3001")
            #expect(member["class"] as? String == "core" && member["rank"] as? Int == 7)
            #expect(member["incarnation"] as? String == "4.1" && member["round_trip_ms"] as? Double == 0.31)
            let health = try #require(member["health"] as? [String: Any])
            #expect(health["age_ms"] as? Int == 480 && health["cpu"] as? Double == 0.125)
            #expect(
                health["running"] as? Int == 1 && health["slots"] as? Int == 4 && health["accepting"] as? Bool == true)
            let gpu = try #require((health["gpus"] as? [[String: Any]])?.first)
            #expect(gpu["name"] as? String == "RTX \"4090\"" && gpu["source"] as? String == "nvidia-smi")
            let shownModel = try #require((health["models"] as? [[String: Any]])?.first)
            #expect(shownModel["name"] as? String == "smollm2:135m" && shownModel["loaded"] as? Bool == true)
            let backend = try #require((health["backends"] as? [[String: Any]])?.first)
            #expect(backend["kind"] as? String == "openai" && backend["slowdown"] as? Double == 2)
            #expect(members[1]["state"] as? String == "suspect" && members[1]["health"] is NSNull)
        }
    }

    @Test("who belongs to the mesh and was not heard of since the start is there as well, and not called dead")
    func unheard() async throws {
        try await TestNode.run { node async throws in
            let genesis = Genesis(
                cluster: Array(repeating: 9, count: 16),
                members: [
                    ("aurora", node.core.me), ("vengeance", NodeID(high: 0, low: 2)), ("sark", NodeID(high: 0, low: 3)),
                ].enumerated().map { place, member in
                    Genesis.Member(
                        name: member.0, node: member.1, replica: ReplicaID(UInt64(place + 1)), rank: 5, isVoter: true,
                        trustClass: .core)
                })
            node.core.setRoster(try #require(Roster(genesis)))
            node.core.setMembers([Self.member("vengeance", 2, state: .alive, health: nil)])
            let json = try await node.get("/mesh/v1/status", try await node.bearer()).json
            let members = try #require(json["members"] as? [[String: Any]])
            #expect(members.map { $0["name"] as? String } == ["vengeance", "sark"])
            #expect(members[1]["state"] as? String == "unheard" && members[1]["rank"] as? Int == 5)
            #expect(members[1]["address"] is NSNull && members[1]["health"] is NSNull)
            #expect(Set(members[1].keys) == Set(members[0].keys))
        }
    }

    @Test("events: the status at once, again after a change, and each routed prompt")
    func events() async throws {
        let hub = RouteEventHub()
        try await TestNode.run(hooks: GatewayHooks(handlers: { _ in { [] } }, routeEvents: hub)) { node async throws in
            let fields = try await node.bearer()
            let routed = Task {
                while !Task.isCancelled {
                    hub.publish(Array(#"{"winner":"sark"}"#.utf8))
                    node.core.apply(.expireSessions)
                    try await Task.sleep(for: .milliseconds(50))
                }
            }
            defer { routed.cancel() }
            let before = node.core.view.consensus.commitIndex
            let reply = try await node.send("GET", "/mesh/v1/events", fields) { text in
                text.contains("event: route\ndata: {\"winner\":\"sark\"}\n\n")
                    && text.split(separator: "event: status").count > 2
            }
            #expect(reply.status == 200 && node.core.view.consensus.commitIndex > before)
            #expect(reply.fields["content-type"] == "text/event-stream")
            #expect(reply.body.contains("event: status\ndata: {\"node\":\"aurora\""))
        }
    }

    @Test("events: many changes are merged into at most four a second")
    func coalescing() async throws {
        try await TestNode.run { node async throws in
            let fields = try await node.bearer()
            let changes = Task {
                while !Task.isCancelled {
                    node.core.apply(.expireSessions)
                    try await Task.sleep(for: .milliseconds(5))
                }
            }
            defer { changes.cancel() }
            let started = ContinuousClock.now
            let reply = try await node.send("GET", "/mesh/v1/events", fields) { text in
                text.split(separator: "event: status").count > 4
            }
            #expect(reply.status == 200)
            #expect(ContinuousClock.now - started >= .milliseconds(700))
        }
    }

    @Test("events: the stream ends with the session")
    func streamEndsWithSession() async throws {
        try await TestNode.run { node async throws in
            let fields = try await node.bearer()
            let (shown, show) = AsyncStream<Void>.makeStream()
            async let stream = node.send("GET", "/mesh/v1/events", fields) { text in
                if text.contains("event: status") { show.yield() }
                return false
            }
            for await _ in shown { break }
            #expect(try await node.post("/mesh/v1/auth/logout", "{}", fields).status == 204)
            #expect(try await stream.status == 200)
        }
    }

    @Test("events: HEAD answers the head, and seats are given back")
    func headOfEvents() async throws {
        try await TestNode.run { node async throws in
            let fields = try await node.bearer()
            for _ in 0..<40 {
                let reply = try await node.send("HEAD", "/mesh/v1/events", fields)
                #expect(reply.status == 200 && reply.body.isEmpty)
            }
        }
    }

    @Test("alive is alive; ready needs a primary")
    func health() async throws {
        try await TestNode.run { node async throws in
            for path in ["/health", "/health/live", "/health/ready"] {
                #expect(try await node.get(path).json["status"] as? String == "ok")
            }
            node.core.losePrimary()
            #expect(try await node.get("/health/live").status == 200)
            let reply = try await node.get("/health/ready")
            #expect(reply.status == 503 && reply.json["reason"] as? String == "no primary within reach")
            #expect(try await node.get("/health").status == 503)
        }
    }

    @Test("metrics are Prometheus text, with the gateway's own behind the node's")
    func metrics() async throws {
        let hooks = GatewayHooks(handlers: { _ in { [] } }, metrics: { "gateway_requests_total 5\n" })
        try await TestNode.run(hooks: hooks) { node async throws in
            let reply = try await node.get("/metrics", try await node.bearer())
            #expect(reply.fields["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
            for line in [
                "meshnode_raft_term 3\n", "meshnode_is_primary 1\n", "meshnode_sessions 1\n",
                "gateway_requests_total 5\n",
            ] {
                #expect(reply.body.contains(line), "\(line)")
            }
            #expect(reply.body.contains("meshnode_http_responses_total{status=\"200\"} 1\n"))
        }
    }

    @Test("route/explain hands the question to the gateway, and refuses nonsense")
    func explain() async throws {
        let hooks = GatewayHooks(
            handlers: { _ in { [] } },
            explain: { model, prompt, output in Array(#"{"winner":"\#(model) \#(prompt ?? 0) \#(output ?? 0)"}"#.utf8) }
        )
        try await TestNode.run(hooks: hooks) { node async throws in
            let ada = try await node.bearer()
            let reply = try await node.post("/mesh/v1/route/explain", #"{"model":"m","prompt_tokens":5}"#, ada)
            #expect(reply.json["winner"] as? String == "m 5 0")
            #expect(try await node.post("/mesh/v1/route/explain", #"{"model":"m","max_tokens":-1}"#, ada).status == 400)
            #expect(try await node.post("/mesh/v1/route/explain", "{}", ada).status == 400)
        }
    }
}
