import NIOCore
import Primitives

/// Turns what one attempt receives into what the client reads: unchanged, translated, or gathered into one document.
package struct ReplyRelay {
    /// A gathered document beyond this is a broken backend.
    package static let documentBytesMax = 32 << 20

    private enum Form {
        case verbatimStream(VerbatimRelay)
        /// One document, passed on when it is whole: until then another node can still be asked.
        case verbatimDocument(ByteBuffer)
        case translated(ReplyDecoder, ReplyEncoder)
    }

    private var form: Form
    private let isStreaming: Bool
    private var textPieces = 0
    /// Of a document, known once it is whole.
    private var toldUsage: Usage?
    /// What the backend said when it gave up.
    package private(set) var failure: String?

    package init(_ upstream: UpstreamPrompt, heading: ReplyEncoder.Heading, isStreaming: Bool) {
        self.isStreaming = isStreaming
        if !upstream.isVerbatim {
            form = .translated(ReplyDecoder(upstream.replyAPI), ReplyEncoder(heading, isStreaming: isStreaming))
        } else if isStreaming {
            form = .verbatimStream(VerbatimRelay(heading.api.dialect))
        } else {
            form = .verbatimDocument(ByteBuffer())
        }
    }

    /// A reply that another agent has put into the client's words already.
    package init(fromPeer dialect: Dialect, isStreaming: Bool) {
        self.isStreaming = isStreaming
        form = isStreaming ? .verbatimStream(VerbatimRelay(dialect)) : .verbatimDocument(ByteBuffer())
    }

    package var usage: Usage? {
        switch form {
        case .verbatimStream(let relay): relay.usage
        case .verbatimDocument, .translated: toldUsage
        }
    }

    /// Tokens generated, as told or as counted.
    package var completionTokens: Int {
        switch form {
        case .verbatimStream(let relay): relay.completionTokens
        case .verbatimDocument: usage?.completionTokens ?? 0
        case .translated: toldUsage?.completionTokens ?? textPieces
        }
    }

    /// What the client may read now; often nothing.
    package mutating func push(_ chunk: ByteBuffer) throws(StreamRefusal) -> ByteBuffer {
        switch form {
        case .verbatimStream(var relay):
            let output = try relay.push(chunk)
            failure = relay.failure
            form = .verbatimStream(relay)
            return output
        case .verbatimDocument(var document):
            guard document.readableBytes + chunk.readableBytes <= Self.documentBytesMax else { throw .lineTooLong }
            document.writeImmutableBuffer(chunk)
            form = .verbatimDocument(document)
            return ByteBuffer()
        case .translated(var decoder, var encoder):
            let events = try decoder.push(chunk)
            let output = encode(events, with: &encoder)
            form = .translated(decoder, encoder)
            return output
        }
    }

    /// The backend ended its reply. The rest for the client, or nil if the reply was cut off.
    package mutating func finish(elapsed: Duration) throws(StreamRefusal) -> ByteBuffer? {
        switch form {
        case .verbatimStream(var relay):
            let output = relay.finish()
            failure = relay.failure
            form = .verbatimStream(relay)
            return relay.sawEnd && failure == nil ? output : nil
        case .verbatimDocument(let document):
            // Parsed in any case: what is no document of the dialect, or reports an error with status 200, is not for the
            // client as long as another node can be asked.
            guard document.readableBytes > 0 else { return nil }
            guard let value = try? JSONParser.parse(Array(document.readableBytesView)), value.members != nil else {
                throw .malformed
            }
            failure = BackendError.text(in: value)
            toldUsage = Self.usage(of: value)
            return failure == nil ? document : nil
        case .translated(var decoder, var encoder):
            var output = encode(try decoder.finish(), with: &encoder)
            let isWhole = decoder.isComplete && failure == nil
            if isWhole { encoder.finish(elapsed: elapsed, into: &output) }
            form = .translated(decoder, encoder)
            return isWhole ? output : nil
        }
    }

    private mutating func encode(_ events: [GenerationEvent], with encoder: inout ReplyEncoder) -> ByteBuffer {
        var output = ByteBuffer()
        for event in events where failure == nil {
            switch event {
            case .failed(let text): failure = text
            case .usage(let usage):
                toldUsage = usage
                encoder.encode(event, into: &output)
            case .text, .thinking:
                textPieces += 1
                encoder.encode(event, into: &output)
            case .toolCall, .finished: encoder.encode(event, into: &output)
            }
        }
        return output
    }

    private static func usage(of value: JSONValue) -> Usage? {
        if let told = BackendUsage.openAI(value) { return told }
        guard let evaluated = value["eval_count"]?.tokenCount else { return nil }
        var usage = Usage(
            promptTokens: value["prompt_eval_count"]?.tokenCount ?? 0, completionTokens: evaluated)
        usage.load = value["load_duration"]?.toldSpan
        usage.prefill = value["prompt_eval_duration"]?.toldSpan
        usage.decode = value["eval_duration"]?.toldSpan
        return usage
    }
}
