import NIOCore

/// A refusal or failure in words, to be said in whichever shape the client's API has for it.
package struct GatewayError: Error, Hashable, Sendable {
    package let status: Int
    /// What happened and what to try next.
    package let message: String
    /// OpenAI's machine-readable cause, e.g. `model_not_found`.
    package let code: String?
    /// The member of the request at fault, for OpenAI.
    package let parameter: String?
    /// For `Retry-After`.
    package let retryAfterSeconds: Int?

    package init(
        _ status: Int, _ message: String, code: String? = nil, parameter: String? = nil, retryAfterSeconds: Int? = nil
    ) {
        self.status = status
        self.message = message
        self.code = code
        self.parameter = parameter
        self.retryAfterSeconds = retryAfterSeconds
    }

    /// The whole body of an error reply.
    package func body(_ dialect: Dialect) -> [UInt8] { document(dialect).encode() }

    /// The last words of a reply that had begun: a client must never take a cut-off text for a complete one.
    package func event(_ dialect: Dialect) -> ByteBuffer {
        var buffer = ByteBuffer()
        switch dialect {
        case .ollama:
            buffer.writeBytes(document(dialect).encode())
            buffer.writeInteger(UInt8(0x0A))
        case .openai:
            buffer.writeStaticString("data: ")
            buffer.writeBytes(document(dialect).encode())
            buffer.writeStaticString("\n\n")
        }
        return buffer
    }

    private func document(_ dialect: Dialect) -> JSONValue {
        switch dialect {
        case .ollama: .object(["error": .string(message)])
        case .openai:
            .object([
                "error": .object([
                    "message": .string(message), "type": .string(type),
                    "param": parameter.map { .string($0) } ?? .null, "code": code.map { .string($0) } ?? .null,
                ])
            ])
        }
    }

    /// OpenAI's families of errors.
    private var type: String {
        switch status {
        case 401: "authentication_error"
        case 403: "permission_error"
        case 429: "rate_limit_error"
        case 400..<500: "invalid_request_error"
        default: "server_error"
        }
    }
}

extension GatewayError {
    package static func unknownModel(_ name: String) -> GatewayError {
        GatewayError(
            404, "model '\(name)' is on no node that can be reached now; GET /v1/models lists those that are",
            code: "model_not_found", parameter: "model")
    }

    package static func noNode(_ reason: String) -> GatewayError {
        GatewayError(503, "no node can take this prompt now: \(reason)", code: "no_node", retryAfterSeconds: 2)
    }

    package static func bodyTooLarge(_ limit: Int) -> GatewayError {
        GatewayError(413, "the request body is larger than \(limit) bytes", code: "body_too_large")
    }

    package static let cutOff = GatewayError(
        502, "the answer broke off: the node that was generating it failed. What arrived is incomplete; ask again.",
        code: "answer_broken_off")
}
