import Foundation
import Testing

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

extension RealProcesses {
    /// Each command against a real agent: what it prints for people and for programs, and how it exits (docs/CLI.md).
    @Suite("The command line", .timeLimit(.minutes(2)))
    struct CommandLineTests {
        @Test("status, members, events and route explain show the mesh, as text and as JSON")
        func looking() async throws {
            try await withAgent { solo in
                let status = try await solo.ask("status")
                #expect(status.status == 0, "\(status.description)")
                let headline =
                    "solo is primary, term 1, as solo sees it; 1 of 1 voters reachable; election timeout 400 ms\n"
                #expect(status.output.hasPrefix(headline), "\(status.output)")
                #expect(try await solo.ask("status", "--json").json["members"].list.first?["name"].text == "solo")

                let members = try await solo.ask("members")
                #expect(members.lines.first?.hasPrefix("node  state  part") == true, "\(members.description)")
                #expect(members.lines.last?.hasPrefix("solo  alive  primary  core") == true)
                #expect(
                    try await solo.ask("members", "--json").json["members"].list.first?["is_primary"] == .bool(true))

                let events = try await solo.ask("events", "--count", "3")
                #expect(events.status == 0, "\(events.description)")
                #expect(
                    events.lines.map { String($0.dropFirst(10)) } == [
                        "solo is primary, term 1", "1 of 1 voters reachable", "solo is alive",
                    ])
                let event = try await solo.ask("events", "--json", "--count", "1")
                #expect(event.json["event"].text == "status", "\(event.description)")
                #expect(event.json["data"]["primary"].text == "solo")

                let model = try #require(try await models(solo).first)
                let route = try await solo.ask("route", "explain", model, "--prompt-tokens", "100")
                #expect(route.status == 0, "\(route.description)")
                #expect(
                    route.lines.first?.hasPrefix("a prompt with 100 tokens for \(model) would go to solo/demo") == true)
                #expect(route.lines.dropFirst().first?.contains("prefill") == true)
                #expect(try await solo.ask("route", "explain", model, "--json").json["winner"].text == "solo")
                let nobody = try await solo.ask("route", "explain", "no-such-model")
                #expect(nobody.status == 1)
                #expect(nobody.lines.first == "nobody can answer for no-such-model now: no node that is there has it")
            }
        }

        @Test("kv stores, reads, lists and deletes; a condition that fails exits with 1 and changes nothing")
        func values() async throws {
            try await withAgent { solo in
                let created = try await solo.ask("kv", "put", "dir/a b", "one", "--json")
                #expect(created.json["created"] == .bool(true), "\(created.description)")
                let revision = try #require(created.json["revision"].number).description.split(separator: ".")[0]
                let raw = try await solo.ask("kv", "get", "dir/a b")
                #expect(raw.output == "one" && raw.status == 0)

                let taken = try await solo.ask("kv", "put", "dir/a b", "two", "--if-absent")
                #expect(taken.status == 1)
                #expect(taken.complaints.contains("revision is \(revision)"), "\(taken.description)")
                let late = try await solo.ask("kv", "put", "dir/a b", "two", "--if-revision", "1", "--json")
                #expect(late.status == 1)
                #expect(late.complaint["error"].text == "condition-failed", "\(late.description)")
                let right = try await solo.ask("kv", "put", "dir/a b", "two", "--if-revision", "\(revision)")
                #expect(right.output.hasPrefix("replaced dir/a b, revision "), "\(right.description)")

                #expect(try await solo.ask("kv", "put", "bytes", input: "x\ny\n").status == 0)
                #expect(try await solo.ask("kv", "get", "bytes", "--local").output == "x\ny\n")
                #expect(try await solo.ask("kv", "get", "bytes", "--json").json["value"].text == "x\ny\n")
                let list = try await solo.ask("kv", "list", "dir/")
                #expect(list.lines.count == 2 && list.lines[1].hasPrefix("dir/a b"), "\(list.description)")

                #expect(try await solo.ask("kv", "delete", "bytes", "--if-revision", "1").status == 1)
                #expect(try await solo.ask("kv", "delete", "bytes").output == "deleted bytes\n")
                let gone = try await solo.ask("kv", "get", "bytes")
                #expect(gone.status == 1 && gone.output.isEmpty && gone.complaints.contains("no such value"))
            }
        }

        @Test("locks are taken, kept and given back; a late holder's write is refused with exit 1")
        func locks() async throws {
            try await withAgent { solo in
                try await pollUntil("the voter has said what its program knows", within: .seconds(10)) {
                    try await solo.ask("locks", "acquire", "warm-up", "--ttl", "0.1").status == 0
                }
                let taken = try await solo.ask("locks", "acquire", "gpu zero", "--ttl", "60", "--json")
                let token = taken.json["token"].number.map { String(Int($0)) } ?? ""
                #expect(taken.status == 0 && !token.isEmpty, "\(taken.description)")
                let held = try await solo.ask("locks", "acquire", "gpu zero")
                #expect(held.status == 1 && held.complaints.contains("under token \(token)"), "\(held.description)")
                #expect(
                    try await solo.ask("kv", "put", "owner", "one", "--lock", "gpu zero", "--token", token).status == 0)
                let late = try await solo.ask(
                    "kv", "put", "owner", "two", "--lock", "gpu zero", "--token", "1", "--json")
                #expect(late.status == 1 && late.complaint["error"].text == "not-holding", "\(late.description)")
                let kept = try await solo.ask("locks", "renew", "gpu zero", "--token", token, "--ttl", "90")
                #expect(kept.output == "kept gpu zero, token \(token), for 90.0 s\n", "\(kept.description)")
                let list = try await solo.ask("locks", "list")
                #expect(list.lines.contains { $0.hasPrefix("gpu zero") && $0.contains(token) }, "\(list.description)")
                #expect(
                    try await solo.ask("locks", "release", "gpu zero", "--token", token).output == "released gpu zero\n"
                )
                #expect(try await solo.ask("locks", "release", "gpu zero", "--token", token).status == 1)
                #expect(
                    try await solo.ask("kv", "put", "owner", "--lock", "gpu").status == 2, "a lock without its token")
            }
        }

        @Test("users, sessions and keys: added, changed, listed and ended, and the agent's log says by whom")
        func people() async throws {
            try await withAgent { solo in
                let added = try await solo.ask("users", "add", "ada", input: "first password\n")
                #expect(added.output == "added ada, role user\n", "\(added.description)")
                #expect(
                    try await solo.ask("users", "add", "ada", input: "first password\n").complaints.contains(
                        "a user of that name"))
                #expect(try await solo.ask("users", "add", "eve", input: "short\n").status == 1)
                #expect(
                    try await solo.ask("users", "set-role", "ada", "operator").output == "ada has the role operator\n")
                let users = try await solo.ask("users")
                #expect(
                    users.lines[1].split(separator: " ").map(String.init) == ["ada", "operator", "0"],
                    "\(users.description)")

                let mine = try await solo.ask("sessions", "--user", "ada", "--json", input: "first password\n")
                #expect(mine.json["sessions"].list.first?["current"] == .bool(true), "\(mine.description)")
                #expect(try await solo.ask("sessions").output == "nobody is signed in\n")  // it signed out again

                let key = try await solo.ask(
                    "keys", "create", "--user", "ada", "--label", "backup", "--role", "user", "--json",
                    input: "first password\n")
                let secret = try #require(key.json["key"].text, "\(key.description)")
                let byKey = try await CommandLine.run(
                    ["status", "--url", solo.client.base], environment: ["MESHNODE_TOKEN": secret])
                #expect(byKey.status == 0, "\(byKey.description)")
                #expect(try await solo.ask("keys").lines[1].hasSuffix("backup"))
                #expect(try await solo.ask("keys", "revoke", key.json["id"].text ?? "").status == 0)
                let revoked = try await CommandLine.run(
                    ["status", "--url", solo.client.base, "--json"], environment: ["MESHNODE_TOKEN": secret])
                #expect(
                    revoked.status == 1 && revoked.complaint["error"].text == "unauthorized", "\(revoked.description)")

                let session = try await solo.client.login("ada", "first password")
                #expect(try await solo.ask("sessions", "revoke", session.sessionId).output == "ended 1 session\n")
                #expect(try await solo.client.signedIn(session.accessToken).me().status == 401)
                _ = try await solo.client.login("ada", "first password")
                #expect(try await solo.ask("sessions", "revoke", "--of", "ada").output == "ended 1 session\n")

                #expect(try await solo.ask("users", "set-password", "ada", input: "second password\n").status == 0)
                #expect(try await solo.client.tryLogin("ada", "first password").status == 401)
                let own = try await solo.ask(
                    "users", "set-password", "ada", "--user", "ada",
                    input: "second password\nsecond password\nthird password\n")
                #expect(own.status == 0, "\(own.description)")
                #expect(try await solo.client.tryLogin("ada", "third password").status == 200)
                #expect(try await solo.ask("users", "remove", "ada", "--json").json["removed"] == .bool(true))
                #expect(try await solo.ask("users", "remove", "admin").complaints.contains("at least one admin"))
                let log = solo.agent.complaints
                #expect(log.contains("user=local@solo") && log.contains("path=/mesh/v1/users/ada/password"), "\(log)")
                for secret in ["first password", "second password", "third password"] { #expect(!log.contains(secret)) }
            }
        }

        @Test("what the local socket must not do, it refuses with a way to do it")
        func closedLocally() async throws {
            try await withAgent { solo in
                let refused = try await solo.ask("keys", "create")
                #expect(refused.status == 1)
                #expect(refused.complaints.contains("--user"), "\(refused.description)")
            }
        }

        @Test("leave ends the agent, which takes its socket along; a start brings it back")
        func leaving() async throws {
            try await withFolder { folder in
                let solo = try SoloNode(in: folder)
                _ = try await solo.provision()
                try await solo.whileRunning { agent in
                    let left = try await CommandLine.run(["leave", "--config", solo.config])
                    #expect(left.status == 0 && left.output.hasPrefix("solo has left the mesh"), "\(left.description)")
                    #expect(try await agent.outcome(within: .seconds(5)).status == 0)
                    #expect(agent.complaints.contains("state=left"))
                    #expect(!FileManager.default.fileExists(atPath: solo.dataDirectory + "/agent.sock"))
                    let again = try await CommandLine.run(["leave", "--dir", solo.dataDirectory])
                    #expect(again.status == 3, "\(again.description)")
                }
                try await solo.whileRunning { _ in
                    let back = try await CommandLine.run(["status", "--dir", solo.dataDirectory])
                    #expect(back.status == 0, "\(back.description)")
                }
            }
        }

        @Test("a password is typed at a terminal unseen, twice for a new one, and Ctrl-C gives up")
        func terminal() async throws {
            try await withAgent { solo in
                let typed = try await solo.type(["users", "add", "ada"], ["unseen word\r", "unseen word\r"])
                #expect(typed.run.status == 0, "\(typed.run.description)")
                #expect(!typed.echo.contains("unseen"), "\(typed.echo)")
                #expect(try await solo.client.tryLogin("ada", "unseen word").status == 200)
                let differing = try await solo.type(["users", "add", "eve"], ["unseen word\r", "another one\r"])
                #expect(
                    differing.run.status == 2 && differing.run.complaints.contains("differ"),
                    "\(differing.run.description)")
                // A wrong letter taken back, then Ctrl-C at the second question.
                let given = try await solo.type(["users", "add", "eve"], ["unsx\u{7F}een word\r", "\u{3}"])
                #expect(given.run.status == 2 && given.run.complaints.contains("given up"), "\(given.run.description)")
                #expect(try await solo.ask("users").lines.count == 3)
            }
        }

        private func models(_ solo: Asked) async throws -> [String] {
            try await poll("the demo backend is known", within: .seconds(10)) {
                let members = try await solo.ask("status", "--json").json["members"].list
                let models = members.first?["health"]["models"].list.compactMap { $0["name"].text } ?? []
                return models.isEmpty ? nil : models
            }
        }

        /// A running agent, asked through its configuration.
        struct Asked {
            let node: SoloNode
            let agent: ChildProcess

            var client: NodeClient { node.client }

            func ask(_ arguments: String..., input: String = "") async throws -> CommandLine {
                try await CommandLine.run(arguments + ["--config", node.config], input: input)
            }

            /// At a terminal: each text is typed when its question has been asked. Also what the terminal showed of it.
            func type(_ arguments: [String], _ texts: [String]) async throws -> (run: CommandLine, echo: String) {
                let terminal = try PseudoTerminal()
                let run = try await CommandLine.run(
                    arguments + ["--config", node.config], terminal: terminal.program
                ) { complaints in
                    for (count, text) in texts.enumerated() {
                        try await pollUntil("question \(count + 1) is asked", within: .seconds(10)) {
                            complaints().split(separator: ": ", omittingEmptySubsequences: false).count > count + 1
                        }
                        terminal.type(text)
                    }
                }
                return (run, terminal.shown())
            }
        }

        private func withAgent(_ body: (Asked) async throws -> Void) async throws {
            try await withFolder { folder in
                let solo = try SoloNode(in: folder)
                try solo.write(
                    SoloNode.text(http: solo.http, mesh: solo.mesh) + "backends: [{name: demo, kind: demo}]\n")
                let password = try await solo.provision()
                try await solo.whileRunning { agent in
                    // The administrator exists a moment after the first primary does.
                    try await pollUntil("the administrator can sign in", within: .seconds(10)) {
                        let reply = try await solo.client.tryLogin("admin", password)
                        guard reply.status == 200 else { return false }
                        _ = try await solo.client.signedIn(try solo.client.session(reply).accessToken)
                            .post("/mesh/v1/auth/logout", "{}")
                        return true
                    }
                    try await body(Asked(node: solo, agent: agent))
                }
            }
        }
    }
}

/// A terminal without a screen: a program on one side, a test's fingers and eyes on the other.
struct PseudoTerminal: Sendable {
    let program: FileHandle
    private let person: Int32

    init() throws {
        person = open("/dev/ptmx", O_RDWR | O_NOCTTY)
        guard person >= 0, let name = Self.otherSide(of: person) else {
            throw DemoTrouble("there is no pseudo terminal to be had")
        }
        program = FileHandle(fileDescriptor: open(name, O_RDWR | O_NOCTTY), closeOnDealloc: true)
    }

    #if canImport(Darwin)
        private static func otherSide(of person: Int32) -> String? {
            guard grantpt(person) == 0, unlockpt(person) == 0, let name = ptsname(person) else { return nil }
            return String(cString: name)
        }
    #else
        /// What unlockpt(3) and ptsname(3) do; Glibc shows those to X/Open sources only.
        private static func otherSide(of person: Int32) -> String? {
            let (setLock, getNumber): (UInt, UInt) = (0x4004_5431, 0x8004_5430)  // TIOCSPTLCK, TIOCGPTN
            var (lock, number): (Int32, UInt32) = (0, 0)
            guard ioctl(person, setLock, &lock) == 0, ioctl(person, getNumber, &number) == 0 else { return nil }
            return "/dev/pts/\(number)"
        }
    #endif

    func type(_ text: String) { _ = Array(text.utf8).withUnsafeBytes { write(person, $0.baseAddress, $0.count) } }

    /// What came back so far; closes the terminal.
    func shown() -> String {
        _ = fcntl(person, F_SETFL, O_NONBLOCK)
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = read(person, &bytes, bytes.count)
        close(person)
        return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
    }
}
