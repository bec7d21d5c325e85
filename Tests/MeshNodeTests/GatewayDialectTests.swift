import MeshNode
import NIOCore
import Primitives
import Testing

/// Reading and writing the two dialects: tables for what means what, every cut of the bytes for the splitters, and
/// malformed bytes for every decoder.
struct GatewayDialectTests {
    @Test(
        "JSON keeps members in order, numbers as written and text as meant",
        arguments: [
            (#"{"b":1e3,"a":[1,2.50,-0],"a":null}"#, #"{"b":1e3,"a":[1,2.50,-0],"a":null}"#),
            (#" { "x" : "\u00e9\n\ud83d\ude00\/" } "#, #"{"x":"é\n😀/"}"#),
            (#"["\ud800","\u0000"]"#, "[\"\u{FFFD}\",\"\\u0000\"]"), ("18446744073709551616", "18446744073709551616"),
        ])
    func jsonRoundTrip(text: String, expected: String) throws {
        #expect(String(decoding: try JSONParser.parse(Array(text.utf8)).encode(), as: UTF8.self) == expected)
    }

    @Test(
        "what is not JSON is refused, and nothing traps",
        arguments: [
            "", "{", "[1,]", "{\"a\"}", "nul", "01", "1.", "-", "\"\\x\"", "\"\u{1}\"", "{} {}", "\"\\u12", "[1 2]",
            "\"\\ud8",
            String(repeating: "[", count: 100_000),
        ])
    func jsonRefusals(text: String) {
        #expect(throws: JSONRefusal.self) { try JSONParser.parse(Array(text.utf8)) }
        #expect(throws: JSONRefusal.self) { try JSONParser.parse([0x22, 0xFF, 0x22]) }
    }

    @Test("every prefix of a document is refused, not misread")
    func jsonPrefixes() {
        let bytes = Array(#"{"model":"é","messages":[{"role":"user","content":"a\"b"}],"n":[1,true,null]}"#.utf8)
        for count in 0..<bytes.count {
            #expect(throws: JSONRefusal.self) { try JSONParser.parse(Array(bytes.prefix(count))) }
        }
    }

    @Test("a stream means the same however the network cuts it", arguments: Dialect.allCases)
    func cuts(dialect: Dialect) throws {
        let api = dialect == .ollama ? PromptAPI.ollamaChat : .openAIChat
        let text =
            ["Hé", "l\\\"lo", " wörld"].map { FakeReply.piece(api.path, $0) }.joined()
            + FakeReply.end(api.path).joined()
        let bytes = Array(text.utf8)
        var whole = ReplyDecoder(api)
        let expected = try whole.push(ByteBuffer(bytes: bytes))
        #expect(expected.count == 5 && whole.isComplete)
        for step in 1...17 {
            var decoder = ReplyDecoder(api)
            var events: [GenerationEvent] = []
            for start in stride(from: 0, to: bytes.count, by: step) {
                events += try decoder.push(ByteBuffer(bytes: bytes[start..<min(start + step, bytes.count)]))
            }
            events += try decoder.finish()
            #expect(events == expected && decoder.isComplete)
        }
    }

    @Test("a verbatim stream is passed on byte for byte in whole lines, however it is cut", arguments: Dialect.allCases)
    func verbatimCuts(dialect: Dialect) throws {
        let path = dialect == .ollama ? "/api/chat" : "/v1/chat/completions"
        let text = FakeReply.piece(path, "a") + FakeReply.piece(path, "b") + FakeReply.end(path).joined()
        let bytes = Array(text.utf8)
        for step in [1, 2, 3, 7, 50, 5000] {
            var relay = VerbatimRelay(dialect)
            var passed = ""
            for start in stride(from: 0, to: bytes.count, by: step) {
                let output = try relay.push(ByteBuffer(bytes: bytes[start..<min(start + step, bytes.count)]))
                #expect(output.readableBytes == 0 || String(buffer: output).hasSuffix("\n"))
                passed += String(buffer: output)
            }
            #expect(passed == text && relay.sawEnd && relay.failure == nil)
            #expect(relay.completionTokens == 3)
        }
    }

    @Test("a stream without its end is not taken for a complete one", arguments: PromptAPI.allCases)
    func truncated(api: PromptAPI) throws {
        var relay = VerbatimRelay(api.dialect)
        _ = try relay.push(ByteBuffer(string: FakeReply.piece(api.path, "half")))
        #expect(!relay.sawEnd)
        var decoder = ReplyDecoder(api)
        _ = try decoder.push(ByteBuffer(string: FakeReply.piece(api.path, "half")))
        #expect(!decoder.isComplete)
    }

    @Test("lines that are not the dialect's JSON, or never end, break the stream")
    func malformedStreams() {
        for (api, text) in [(PromptAPI.ollamaChat, "<html>\n"), (.openAIChat, "data: [1]\n\n"), (.ollamaChat, "42\n")] {
            var decoder = ReplyDecoder(api)
            #expect(throws: StreamRefusal.malformed) { try decoder.push(ByteBuffer(string: text)) }
        }
        var lines = LineSplitter()
        #expect(throws: StreamRefusal.lineTooLong) {
            try lines.push(ByteBuffer(repeating: 0x41, count: LineSplitter.lineBytesMax + 1))
        }
    }

    @Test("text that talks about ending does not end a stream")
    func misleadingText() throws {
        var relay = VerbatimRelay(.ollama)
        _ = try relay.push(ByteBuffer(string: FakeReply.piece("/api/chat", #"say \"done\":true now"#)))
        #expect(!relay.sawEnd)
        var events = VerbatimRelay(.openai)
        _ = try events.push(ByteBuffer(string: FakeReply.piece("/v1/chat/completions", #"\"finish_reason\":\"stop\""#)))
        #expect(!events.sawEnd)
    }

    @Test(
        "a request is translated option by option",
        arguments: [
            (
                PromptAPI.ollamaChat, Dialect.openai,
                #"{"model":"a","messages":[{"role":"user","content":"x"}],"format":"json","options":{"num_predict":5,"temperature":0.1,"seed":3}}"#,
                #"{"model":"b","messages":[{"role":"user","content":"x"}],"stream":true,"stream_options":{"include_usage":true},"max_tokens":5,"temperature":0.1,"seed":3,"response_format":{"type":"json_object"}}"#
            ),
            (
                .ollamaGenerate, .openai, #"{"model":"a","prompt":"x","system":"s"}"#,
                #"{"model":"b","messages":[{"role":"system","content":"s"},{"role":"user","content":"x"}],"stream":true,"stream_options":{"include_usage":true}}"#
            ),
            (
                .openAIChat, .ollama,
                #"{"model":"a","messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"data:image/png;base64,QUI="}},{"type":"image_url","image_url":{"url":"http://10.0.0.1/"}}]}],"max_tokens":5,"stop":"."}"#,
                #"{"model":"b","messages":[{"role":"user","content":"x","images":["QUI="]}],"stream":true,"options":{"num_predict":5,"stop":["."]}}"#
            ),
            (
                .openAICompletion, .ollama, #"{"model":"a","prompt":"x","temperature":1}"#,
                #"{"model":"b","prompt":"x","raw":true,"stream":true,"options":{"temperature":1}}"#
            ),
            (.openAIChat, .openai, #"{"model":"a","x":1,"messages":[]}"#, #"{"model":"b","x":1,"messages":[]}"#),
        ])
    func requests(api: PromptAPI, backend: Dialect, body: String, expected: String) throws {
        let prompt = try PromptRequest(Array(body.utf8), api: api)
        let upstream = UpstreamPrompt(prompt, original: Array(body.utf8), backend: backend, model: "b")
        #expect(String(decoding: upstream.body, as: UTF8.self) == expected)
        let unchanged = UpstreamPrompt(prompt, original: Array(body.utf8), backend: api.dialect, model: "a")
        #expect(unchanged.body == Array(body.utf8) && unchanged.isVerbatim)
    }

    @Test("tool calls survive both translations")
    func toolCalls() throws {
        var fromOllama = ReplyDecoder(.ollamaChat)
        let events = try fromOllama.push(
            ByteBuffer(
                string:
                    #"{"message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]},"done":true,"done_reason":"stop"}"#
                    + "\n"))
        let document = try write(events, as: .openAIChat)
        let choice = document["choices"]?.elements?.first
        let call = choice?["message"]?["tool_calls"]?.elements?.first
        #expect(call?["function"]?["arguments"]?.text == #"{"a":1}"#)
        #expect(choice?["finish_reason"]?.text == "tool_calls")

        var fromOpenAI = ReplyDecoder(.openAIChat)
        let pieces = try fromOpenAI.push(
            ByteBuffer(
                string:
                    #"data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{\"a\""}}]}}]}"#
                    + "\n\n"
                    + #"data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]},"finish_reason":"tool_calls"}]}"#
                    + "\n\n"))
        let ollama = try write(pieces, as: .ollamaChat)
        let arguments = ollama["message"]?["tool_calls"]?.elements?.first?["function"]?["arguments"]
        #expect(arguments?["a"]?.integer == 1)
    }

    @Test("a prompt that is none is refused with the member at fault")
    func promptRefusals() {
        let cases: [(String, PromptAPI, String?)] = [
            ("[]", .openAIChat, nil), ("{}", .ollamaChat, "model"), (#"{"model":""}"#, .openAIChat, "model"),
            (#"{"model":"a"}"#, .openAIChat, "messages"), (#"{"model":"a","messages":3}"#, .ollamaChat, "messages"),
            (#"{"model":"a","messages":[],"stream":"yes"}"#, .openAIChat, "stream"),
            (#"{"model":"a","prompt":[]}"#, .ollamaGenerate, "prompt"),
        ]
        for (body, api, parameter) in cases {
            do throws(PromptRefusal) {
                _ = try PromptRequest(Array(body.utf8), api: api)
                Issue.record("accepted \(body)")
            } catch {
                #expect(error.parameter == parameter)
            }
        }
    }

    @Test("moments are written as the calendar has them")
    func timestamps() {
        #expect(Timestamp.rfc3339(0) == "1970-01-01T00:00:00.000Z")
        #expect(Timestamp.rfc3339(1_709_210_096_789) == "2024-02-29T12:34:56.789Z")
        #expect(Timestamp.rfc3339(-1) == "1969-12-31T23:59:59.999Z")
    }

    @Test("a backend's URL is taken apart, and anything odd is refused")
    func addresses() {
        #expect(BackendAddress(url: "http://127.0.0.1:11434")?.authority == "127.0.0.1:11434")
        #expect(BackendAddress(url: "https://[::1]/base/")?.basePath == "/base")
        #expect(BackendAddress(url: "http://[::1]:80")?.host == "::1")
        for url in [
            "", "ftp://x", "http://", "http://user@x", "http://x:0", "http://x:99999", "http://x/?q", "127.0.0.1:1",
        ] {
            #expect(BackendAddress(url: url) == nil)
        }
    }

    @Test("request ids are remembered until they expire, and a full memory refuses rather than forgets")
    func seenRequests() {
        var seen = SeenRequests(countMax: 3)
        func id(_ value: UInt64) -> Delegation.RequestID { Delegation.RequestID(high: 0, low: value) }
        var answers: [Bool] = []
        for value: UInt64 in [1, 1, 2, 3, 4] { answers.append(seen.insert(id(value), now: 0)) }
        #expect(answers == [true, false, true, true, false])
        let later = seen.insert(id(4), now: 200_000)
        #expect(later && seen.count == 1)
    }

    private func write(_ events: [GenerationEvent], as api: PromptAPI) throws -> JSONValue {
        let heading = ReplyEncoder.Heading(api: api, model: "m", id: 1, unixMilliseconds: 0, includesUsage: false)
        var encoder = ReplyEncoder(heading, isStreaming: false)
        var buffer = ByteBuffer()
        for event in events { encoder.encode(event, into: &buffer) }
        encoder.finish(elapsed: .seconds(1), into: &buffer)
        return try JSONParser.parse(Array(buffer.readableBytesView))
    }
}
