import MeshNode
import NIOCore
import Primitives
import Testing

/// What backends tell of their own work: the figures that routing learns from.
@Suite("What backends tell of their speed")
struct GatewayUsageTests {
    private func document(_ text: String) throws -> JSONValue { try JSONParser.parse(Array(text.utf8)) }

    @Test("llama-server's timings: tokens read without the cached ones, and milliseconds of both phases")
    func timings() throws {
        let told = try #require(
            BackendUsage.openAI(
                try document(
                    #"{"choices":[],"usage":{"prompt_tokens":31,"completion_tokens":20,"total_tokens":51},"#
                        + #""timings":{"cache_n":14,"prompt_n":17,"prompt_ms":44.25,"predicted_n":20,"predicted_ms":132.5}}"#
                )))
        #expect(told.promptTokens == 31 && told.completionTokens == 20)
        #expect(told.prefillTokens == 17)
        #expect(told.prefill == .microseconds(44_250) && told.decode == .microseconds(132_500))
        #expect(told.load == nil)
    }

    @Test("timings without usage count as usage, and usage without timings leaves the times open")
    func either() throws {
        let timings = try #require(
            BackendUsage.openAI(
                try document(#"{"timings":{"prompt_n":17,"prompt_ms":40,"predicted_n":3,"predicted_ms":9}}"#)))
        #expect(timings.promptTokens == 17 && timings.completionTokens == 3)
        let usage = try #require(
            BackendUsage.openAI(try document(#"{"usage":{"prompt_tokens":7,"completion_tokens":2}}"#)))
        #expect(usage.prefillTokens == nil && usage.prefill == nil && usage.decode == nil)
        for none in [
            "{}", #"{"usage":null}"#, #"{"usage":null,"timings":null}"#, #"{"timings":[1]}"#, #"{"usage":"x"}"#,
        ] {
            #expect(try BackendUsage.openAI(document(none)) == nil, "\(none)")
        }
    }

    @Test("impossible times are cut to what can be", arguments: ["-5", "1e400", "1e300", "-1e300"])
    func impossibleTimes(text: String) throws {
        let told = try #require(BackendUsage.openAI(try document(#"{"timings":{"prompt_n":1,"prompt_ms":\#(text)}}"#)))
        let span = told.prefill ?? .zero
        #expect(span >= .zero && span <= .seconds(3600))
    }

    @Test("impossible counts are cut to what adds up", arguments: [Int.max, .min, 1 << 62, -1])
    func impossibleCounts(count: Int) throws {
        let openAI = try #require(
            BackendUsage.openAI(
                try document(#"{"usage":{"prompt_tokens":\#(count),"completion_tokens":\#(count)}}"#)))
        var decoder = ReplyDecoder(.ollamaChat)
        let line =
            #"{"message":{"content":""},"done":true,"prompt_eval_count":\#(count),"eval_count":\#(count),"eval_duration":\#(count)}"#
        let ollama = try decoder.push(ByteBuffer(string: line + "\n")).compactMap { event -> Usage? in
            if case .usage(let usage) = event { usage } else { nil }
        }
        for usage in ollama + [openAI] {
            #expect(usage.promptTokens >= 0 && usage.completionTokens >= 0)
            #expect(usage.promptTokens <= Int.max / 1000 && usage.completionTokens <= Int.max / 1000)
            #expect(usage.decode ?? .zero <= .seconds(3600))
        }
        #expect(ollama.count == 1)
    }

    @Test("what a client asks for at most is cut to what adds up, and below zero is no limit")
    func impossibleLimits() throws {
        func limit(_ api: PromptAPI, _ member: String) throws -> Int? {
            try PromptRequest(Array(#"{"model":"m","prompt":"x",\#(member)}"#.utf8), api: api).maxTokens
        }
        for huge in [Int.max, 1 << 62] {
            for asked in [
                try limit(.ollamaGenerate, #""options":{"num_predict":\#(huge)}"#),
                try limit(.openAICompletion, #""max_tokens":\#(huge)"#),
                try limit(.openAICompletion, #""max_completion_tokens":\#(huge)"#),
            ] {
                #expect(try #require(asked) <= Int.max / 1000)
            }
        }
        #expect(try limit(.ollamaGenerate, #""options":{"num_predict":-1}"#) == nil)
        #expect(try limit(.ollamaGenerate, #""options":{"num_predict":7}"#) == 7)
        #expect(try limit(.openAICompletion, #""max_tokens":7"#) == 7)
    }

    private static let last =
        #"{"model":"m","created_at":"t","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","#
        + #""total_duration":5000000000,"load_duration":3000000000,"prompt_eval_count":26,"prompt_eval_duration":130000000,"#
        + #""eval_count":40,"eval_duration":800000000}"#

    @Test("Ollama's durations are nanoseconds, of a stream passed on unchanged and of one that is translated")
    func ollamaDurations() throws {
        var relay = VerbatimRelay(.ollama)
        _ = try relay.push(ByteBuffer(string: Self.last + "\n"))
        var decoder = ReplyDecoder(.ollamaChat)
        let events = try decoder.push(ByteBuffer(string: Self.last + "\n"))
        let decoded = events.compactMap { event -> Usage? in
            if case .usage(let usage) = event { usage } else { nil }
        }.first
        for usage in [try #require(relay.usage), try #require(decoded)] {
            #expect(usage.promptTokens == 26 && usage.completionTokens == 40)
            #expect(usage.load == .seconds(3))
            #expect(usage.prefill == .milliseconds(130))
            #expect(usage.decode == .milliseconds(800))
            #expect(usage.prefillTokens == nil, "Ollama counts what it read")
        }
    }

    @Test("a reply in one document tells the same, loading included", arguments: [PromptAPI.ollamaChat, .openAIChat])
    func documents(api: PromptAPI) throws {
        let text =
            api == .ollamaChat
            ? Self.last
            : #"{"usage":{"prompt_tokens":26,"completion_tokens":40},"timings":{"prompt_n":20,"prompt_ms":130,"predicted_ms":800}}"#
        let prompt = try PromptRequest(
            Array(#"{"model":"m","stream":false,"messages":[{"role":"user","content":"hi"}]}"#.utf8), api: api)
        let upstream = UpstreamPrompt(prompt, original: [], backend: api.dialect, model: "m")
        let heading = ReplyEncoder.Heading(api: api, model: "m", id: 1, unixMilliseconds: 0, includesUsage: false)
        var relay = ReplyRelay(upstream, heading: heading, isStreaming: false)
        _ = try relay.push(ByteBuffer(string: text))
        #expect(try relay.finish(elapsed: .zero) == ByteBuffer(string: text))
        let usage = try #require(relay.usage)
        #expect(usage.promptTokens == 26 && usage.completionTokens == 40)
        #expect(usage.prefill == .milliseconds(130) && usage.decode == .milliseconds(800))
        #expect(usage.load == (api == .ollamaChat ? .seconds(3) : nil))
    }

    @Test(
        "a document that is an error, an event stream or cut off is not passed on",
        arguments: [#"{"error":"out of memory"}"#, "data: {}\n\n", #"{"choices":["#, "[]", "<html>"])
    func badDocuments(text: String) throws {
        let prompt = try PromptRequest(Array(#"{"model":"m","messages":[]}"#.utf8), api: .openAIChat)
        let upstream = UpstreamPrompt(prompt, original: [], backend: .openai, model: "m")
        let heading = ReplyEncoder.Heading(
            api: .openAIChat, model: "m", id: 1, unixMilliseconds: 0, includesUsage: false)
        var relay = ReplyRelay(upstream, heading: heading, isStreaming: false)
        _ = try relay.push(ByteBuffer(string: text))
        let passed = try? relay.finish(elapsed: .zero)
        #expect(passed == nil)
    }

    @Test("of two tellings the newer figures count, and what the newer leaves out stays")
    func merging() {
        var older = Usage(promptTokens: 31, completionTokens: 20)
        older.prefillTokens = 17
        older.load = .seconds(1)
        older.prefill = .milliseconds(44)
        older.decode = .milliseconds(132)
        #expect(older.merging(Usage()) == older)
        #expect(Usage().merging(older) == older)
        var newer = Usage(promptTokens: 0, completionTokens: 25)
        newer.decode = .milliseconds(150)
        var expected = older
        expected.completionTokens = 25
        expected.decode = .milliseconds(150)
        #expect(older.merging(newer) == expected)
    }

    @Test("figures that come in two chunks, timings first and counts after, are put together")
    func twoChunks() throws {
        let chunks =
            #"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"timings":{"prompt_n":17,"prompt_ms":44,"predicted_n":20,"predicted_ms":132}}"#
            + "\n\n" + #"data: {"choices":[],"usage":{"prompt_tokens":31,"completion_tokens":20}}"#
            + "\n\ndata: [DONE]\n\n"
        var relay = VerbatimRelay(.openai)
        _ = try relay.push(ByteBuffer(string: chunks))
        var decoder = ReplyDecoder(.openAIChat)
        let told = try decoder.push(ByteBuffer(string: chunks)).compactMap { event -> Usage? in
            if case .usage(let usage) = event { usage } else { nil }
        }.last
        for usage in [try #require(relay.usage), try #require(told)] {
            #expect(usage.promptTokens == 31 && usage.prefillTokens == 17 && usage.completionTokens == 20)
            #expect(usage.prefill == .milliseconds(44) && usage.decode == .milliseconds(132))
        }
    }
}
