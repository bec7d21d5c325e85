import Foundation
import Testing

extension RealProcesses {
    /// Each refusal: one line on standard error that says where, what and what to do; a non-zero exit; nothing written.
    @Suite("Starting with bad input", .timeLimit(.minutes(1)))
    struct BadInputTests {
        @Test("a single agent without peers is a working mesh of one, also after kill -9")
        func meshOfOne() async throws {
            try await withFolder { folder in
                let solo = try SoloNode(in: folder)
                let password = try await solo.provision()
                let session = try await solo.whileRunning { agent in
                    let session = try await signIn(solo, password)
                    let client = solo.client.signedIn(session.accessToken)
                    #expect(try await client.primary() == "solo")
                    #expect(try await client.send("PUT", "/mesh/v1/kv/a", body: Data("1".utf8)).status == 201)
                    agent.signal(SIGKILL)
                    _ = try await agent.outcome(within: .seconds(5))
                    return session
                }
                try await solo.whileRunning { _ in
                    let client = solo.client.signedIn(session.accessToken)
                    let value = try await client.get("/mesh/v1/kv/a")
                    #expect(value.text == "1", "\(value.description)")
                }
            }
        }

        @Test(
            "a key that nobody knows is named with its file and line, and the key that was meant",
            arguments: [
                (line: 6, text: "htpp:", key: "htpp", meant: "http"),
                (line: 5, text: "  listn: 127.0.0.1:7946", key: "mesh.listn", meant: "listen"),
                (line: 2, text: "data_dri: data", key: "data_dri", meant: "data_dir"),
            ])
        func unknownKey(line: Int, text: String, key: String, meant: String) async throws {
            try await withFolder { folder in
                let solo = try SoloNode(in: folder)
                _ = try await solo.provision()
                try solo.replaceLine(line, with: text)
                try await expectRefusal(
                    of: solo, says: ["\(solo.config):\(line): ", "\(key): ", "did you mean '\(meant)'?"])
            }
        }

        @Test(
            "an impossible value, or a key left over, is named with what was found and what would do",
            arguments: [
                ("log_level: loud", "log_level: found 'loud'", "notice"),
                ("rank: many", "rank: found 'many'", "0 to 1000"),
                ("rank: 1001", "rank: found '1001'", "0 to 1000"),
                ("log_levle: info", "log_levle: is not a known key", "did you mean 'log_level'?"),
                ("raft: {election_timeout: 5parsecs}", "raft.election_timeout: found '5parsecs'", "for example"),
                ("raft: {election_timeout: 1h}", "raft.election_timeout: found '1h'", "for example"),
                ("peers: [{name: x, mesh: nowhere}]", "peers[0].mesh: found 'nowhere'", "127.0.0.1:7946"),
                ("backends: [{name: x, kind: ollama, url: 'ftp://x'}]", "backends[0].url: found 'ftp://x'", "http://"),
                (
                    "backends: [{name: x, kind: openai, url: 'http://127.0.0.1:8000/v1'}]",
                    "backends[0].url: found 'http://127.0.0.1:8000/v1'", "write 'http://127.0.0.1:8000'"
                ),
                ("peers: [{name: solo, mesh: '127.0.0.1:1'}]", "peers[0].name: 'solo' is this node", "other nodes"),
                ("class: royal", "class: found 'royal'", "core"),
            ])
        func impossibleValue(text: String, found: String, remedy: String) async throws {
            try await withFolder { folder in
                let solo = try SoloNode(in: folder)
                _ = try await solo.provision()
                try solo.write(SoloNode.text(http: solo.http, mesh: solo.mesh) + text + "\n")
                try await expectRefusal(of: solo, says: ["\(solo.config):8: ", found, remedy])
            }
        }

        @Test("a secrets file that is missing or that others may read is named, with the command that helps")
        func secrets() async throws {
            try await withFolder { folder in
                let solo = try SoloNode(in: folder)
                _ = try await solo.provision()
                try solo.setMode(0o644, of: solo.secrets)
                try await expectRefusal(of: solo, says: [solo.secrets, "mode 644", "chmod 600 \(solo.secrets)"])
                try FileManager.default.removeItem(atPath: solo.secrets)
                try await expectRefusal(of: solo, says: [solo.secrets, "cannot be read", "meshnode init"])
            }
        }

        @Test(
            "what a start would refuse, doctor refuses in the same words",
            arguments: [
                (
                    "backends: [{name: vllm, kind: openai, url: 'http://127.0.0.1:1', api_key_secret: vllm}]",
                    "backends.vllm.api_key_secret", "backend_keys"
                ),
                (
                    "backends: [{name: vllm, kind: openai, url: 'https://127.0.0.1:1', tls_authority: none.pem}]",
                    "backends.vllm.tls_authority", "no PEM certificate"
                ),
            ])
        func doctor(text: String, key: String, remedy: String) async throws {
            try await withFolder { folder in
                let solo = try SoloNode(in: folder)
                _ = try await solo.provision()
                try solo.write(SoloNode.text(http: solo.http, mesh: solo.mesh) + text + "\n")
                let doctor = try await ChildProcess.runMeshNode(["doctor", "--config", solo.config])
                #expect(doctor.status == 1 && doctor.complaints.contains(key), "\(doctor.complaints)")
                let run = try await ChildProcess.runMeshNode(["run", "--config", solo.config])
                #expect(run.complaints.contains(doctor.complaints) && doctor.complaints.contains(remedy))
            }
        }

        @Test("a data directory that was never provisioned is refused, not provisioned on the way")
        func unprovisioned() async throws {
            try await withFolder { folder in
                let solo = try SoloNode(in: folder)
                _ = try await solo.provision()
                try FileManager.default.removeItem(atPath: solo.dataDirectory)
                try await expectRefusal(
                    of: solo, says: [solo.dataDirectory, "data_dir", "not provisioned", "meshnode init"])
            }
        }

        @Test("init overwrites neither secrets nor a data directory")
        func initTwice() async throws {
            try await withFolder { folder in
                let solo = try SoloNode(in: folder)
                _ = try await solo.provision()
                try await expectRefusal(
                    of: solo, command: ["init", solo.config], says: [solo.secrets, "exists already"])
                try FileManager.default.removeItem(atPath: solo.secrets)
                try await expectRefusal(
                    of: solo, command: ["init", solo.config], says: [solo.dataDirectory, "provisioned already"])
            }
        }

        @Test("a port in use is named with its key", arguments: ["http.listen", "mesh.listen"])
        func portInUse(key: String) async throws {
            try await withFolder { folder in
                let inner = folder.appendingPathComponent("other")
                try FileManager.default.createDirectory(at: inner, withIntermediateDirectories: true)
                let holder = try SoloNode(in: inner)
                _ = try await holder.provision()
                let own = folder.appendingPathComponent("own")
                try FileManager.default.createDirectory(at: own, withIntermediateDirectories: true)
                let solo = try SoloNode(in: own)
                _ = try await solo.provision()
                // It has run before, so that there is a log that could be harmed.
                try await solo.whileRunning { _ in }
                let taken = key == "http.listen" ? holder.http : holder.mesh
                try solo.replaceLine(key == "http.listen" ? 7 : 5, with: "  listen: 127.0.0.1:\(taken)")
                try await holder.whileRunning { _ in
                    try await expectRefusal(of: solo, says: [key, "127.0.0.1:\(taken)", "in use"], mayTouchLog: true)
                }
            }
        }

        @Test("a log damaged in its middle is refused and left as it is")
        func damagedLog() async throws {
            try await withFolder { folder in
                let solo = try SoloNode(in: folder)
                let password = try await solo.provision()
                try await solo.whileRunning { _ in
                    let client = solo.client.signedIn(try await signIn(solo, password).accessToken)
                    for number in 0..<20 {
                        #expect(
                            try await client.send("PUT", "/mesh/v1/kv/\(number)", body: Data("value".utf8)).status
                                == 201)
                    }
                }
                try damage(solo.dataDirectory + "/log/wal-00000001.log")
                try await expectRefusal(of: solo, says: [solo.dataDirectory + "/log", "nothing was changed", "backup"])
                let doctor = try await ChildProcess.runMeshNode(["doctor", "--config", solo.config])
                print(doctor.output)
                #expect(doctor.output.contains("log "), "\(doctor.complaints)")
            }
        }

        /// The administrator exists a moment after the first primary does.
        private func signIn(_ solo: SoloNode, _ password: String) async throws -> NodeClient.Session {
            try await poll("the administrator can sign in", within: .seconds(10)) {
                let reply = try await solo.client.tryLogin("admin", password)
                return reply.status == 200 ? try solo.client.session(reply) : nil
            }
        }

        /// Flips bytes half way through the last stretch of the file that holds anything.
        private func damage(_ path: String) throws {
            var bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
            let end = try #require(bytes.lastIndex { $0 != 0 })
            var start = end
            while start >= 4096, bytes[(start - 4096)..<start].contains(where: { $0 != 0 }) { start -= 4096 }
            let middle = (start + end) / 2
            for index in middle..<min(middle + 64, end) { bytes[index] ^= 0xA5 }
            let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
            try handle.write(contentsOf: Data(bytes))
            try handle.close()
        }

        private func expectRefusal(
            of solo: SoloNode, command: [String]? = nil, says parts: [String], mayTouchLog: Bool = false
        ) async throws {
            let before = try solo.contents()
            let outcome = try await ChildProcess.runMeshNode(command ?? ["run", "--config", solo.config])
            #expect(outcome.status != 0)
            #expect(outcome.output == "")
            let lines = outcome.complaints.split(separator: "\n")
            #expect(lines.count == 1, "\(outcome.complaints)")
            for part in parts { #expect(outcome.complaints.contains(part), "\(outcome.complaints)") }
            let after = try solo.contents()
            let changed = Set(before.keys).union(after.keys).filter { before[$0] != after[$0] }
            // A start that fails at its last step has opened the log before, as every start does.
            #expect(changed.filter { !mayTouchLog || !$0.contains("/log/") }.isEmpty, "changed: \(changed)")
        }
    }
}
