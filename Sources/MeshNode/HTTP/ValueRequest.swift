import Authority
import Foundation
import HTTPTypes
import NIOCore
import NodeCore
import Primitives

/// One request for a shared value, from its head to its answer: raw bodies under keys, with a revision as `ETag` and
/// conditions on it (RFC 9110 §13). Asks the core and is called back, so that it serves a channel handler
/// (`ValueHandler`) and Hummingbird's routes (`KeyValueRoutes`) alike.
struct ValueRequest: Sendable {
    enum Action: Hashable, Sendable {
        /// `known` is the revision's tag that the client holds already.
        case read(Consistency, known: String?)
        case write(ValueCondition)
        case delete(ValueCondition)
    }

    enum Consistency: String, Sendable {
        /// As new as anything committed before the request arrived.
        case linearizable
        /// What this node has applied.
        case local

        init(_ path: RequestPath) throws(Problem) {
            guard let consistency = Consistency(rawValue: path.queryValue("consistency") ?? "linearizable") else {
                throw .invalid("The consistency is `linearizable` (the default) or `local`.")
            }
            self = consistency
        }
    }

    /// The secret is replaced now and then, not many times within one request.
    private static let triesMax = 3

    let key: ValueKey
    let action: Action

    /// `parameter` is the key as the path had it. Throws 400 for what is no request of this kind.
    init(_ operation: Operation, path: RequestPath, parameter: String, fields: HTTPFields) throws(Problem) {
        key = try Self.key(parameter)
        switch operation {
        case .readValue: action = .read(try Consistency(path), known: fields[.ifNoneMatch])
        case .writeValue: action = .write(try Self.condition(path, fields))
        case .deleteValue: action = .delete(try Self.condition(path, fields))
        default: preconditionFailure("\(operation) is not about one value")
        }
    }

    /// The longest body that is read.
    var bodyBytesMax: Int {
        if case .write = action { AuthorityLimits.standard.valueBytes } else { 0 }
    }

    /// Answers once, on any thread, perhaps before it returns.
    func answer(
        _ body: ByteBuffer, author: UserName, core: any MeshCore, vault: ValueVault,
        then answer: @escaping @Sendable (ValueAnswer) -> Void
    ) {
        switch action {
        case .read(.local, let known): answer(stored(core.view, known, vault))
        case .read(.linearizable, let known):
            core.readBarrier { outcome in
                switch outcome {
                case .success: answer(stored(core.view, known, vault))
                case .failure(let refusal): answer(ValueAnswer(Problem.core(refusal).reply))
                }
            }
        case .write(let condition):
            write(
                Array(body.readableBytesView), condition, author: author, core: core, vault: vault,
                tries: Self.triesMax, then: answer)
        case .delete(let condition):
            core.submit(.deleteValue(key: key, condition: condition)) { answer(ValueAnswer(Self.changed($0))) }
        }
    }

    /// The data key may be replaced between sealing and applying: then the value is sealed anew.
    private func write(
        _ value: [UInt8], _ condition: ValueCondition, author: UserName, core: any MeshCore, vault: ValueVault,
        tries: Int, then answer: @escaping @Sendable (ValueAnswer) -> Void
    ) {
        let command: AuthorityCommand
        do throws(Problem) {
            command = try vault.command(
                storing: value, for: key, condition: condition, author: author, core.view)
        } catch { return answer(ValueAnswer(error.reply)) }
        core.submit(command) { outcome in
            if case .success(let committed) = outcome, committed.reply == .refused(.epochNotActive), tries > 1 {
                return write(
                    value, condition, author: author, core: core, vault: vault, tries: tries - 1, then: answer)
            }
            answer(ValueAnswer(Self.changed(outcome)))
        }
    }

    private func stored(_ view: ClusterView, _ known: String?, _ vault: ValueVault) -> ValueAnswer {
        guard let value = view.authority.values[key] else { return ValueAnswer(Problem.refused(.unknownValue).reply) }
        let tag = Self.entityTag(value.revision)
        let fields: HTTPFields = [
            .contentType: "application/octet-stream", .eTag: tag, .cacheControl: "no-cache",
        ]
        if known == tag { return ValueAnswer(WholeReply(.notModified, fields)) }
        return ValueAnswer(WholeReply(.ok, fields)) { () throws(Problem) in try vault.open(value, of: key, view) }
    }

    private static func changed(_ outcome: Result<CommittedReply, CoreRefusal>) -> WholeReply {
        switch outcome.map(\.reply) {
        case .success(.stored(let revision, let created)):
            WholeReply(created ? .created : .noContent, [.eTag: entityTag(revision)])
        case .success(.refused(let refusal)): Problem.refused(refusal).reply
        case .success: WholeReply(.noContent)
        case .failure(let refusal): Problem.core(refusal).reply
        }
    }

    static func key(_ text: String) throws(Problem) -> ValueKey {
        guard let key = ValueKey(text.normalised) else {
            throw .invalid("A key has 1 to 512 bytes and no control characters.")
        }
        return key
    }

    private static func entityTag(_ revision: LogIndex) -> String { "\"\(revision)\"" }

    private static func isOneTag(_ text: String) -> Bool {
        text.count > 2 && text.hasPrefix("\"") && text.dropFirst().firstIndex(of: "\"") == text.indices.last
    }

    /// Several tags, `If-Match: *` and tags on `If-None-Match` are legal HTTP, but nothing that a compare-and-set needs;
    /// they are refused rather than half obeyed.
    private static func condition(_ path: RequestPath, _ fields: HTTPFields) throws(Problem) -> ValueCondition {
        if let lock = path.queryValue("lock") {
            guard let token = path.queryValue("token").flatMap({ UInt64($0) }),
                fields[.ifMatch] == nil, fields[.ifNoneMatch] == nil
            else { throw .invalid("`lock=NAME` goes with `token=TOKEN`, and without other conditions.") }
            return .ifHolding(try LockRoutes.name(lock), token: LogIndex(token))
        }
        guard path.queryValue("token") == nil else { throw .invalid("`token=TOKEN` goes with `lock=NAME`.") }
        switch (fields[.ifMatch], fields[.ifNoneMatch]) {
        case (nil, nil): return .none
        case (nil, "*"?): return .ifNoneMatchAny
        case (let tag?, nil) where isOneTag(tag):
            // A tag that is no revision of ours matches nothing, and revision 0 is never given.
            return .ifMatch(LogIndex(UInt64(tag.dropFirst().dropLast()) ?? 0))
        default:
            throw .invalid("Conditions are `If-Match: \"REVISION\"` or `If-None-Match: *`, and not both.")
        }
    }
}

/// An answer that may have a sealed value still to open: on the thread that writes it out, and not on the brain's, where it
/// was found.
struct ValueAnswer: Sendable {
    private let whole: WholeReply
    private let value: (@Sendable () throws(Problem) -> [UInt8])?

    init(_ whole: WholeReply, value: (@Sendable () throws(Problem) -> [UInt8])? = nil) {
        self.whole = whole
        self.value = value
    }

    func reply() -> WholeReply {
        guard let value else { return whole }
        var reply = whole
        do throws(Problem) { reply.body = ByteBuffer(bytes: try value()) } catch { return error.reply }
        return reply
    }
}
