import ArgumentParser
import Foundation

/// How a command ended, for scripts. docs/CLI.md has the table.
enum ExitStatus: Int32 {
    case done = 0
    /// Refused by the agent or the mesh, or failed here. Nothing was changed.
    case refused = 1
    /// The command was not understood. Nothing was asked.
    case usage = 2
    /// No agent answered. Nothing was asked.
    case unreachable = 3
    /// The mesh cannot decide now. Nothing was changed; trying again is safe.
    case noQuorum = 4
    /// The agent or its primary was lost on the way: it may have been done. Look before you try again.
    case outcomeUnknown = 5

    /// What an error of a command means to a script.
    init(of error: any Error) {
        self =
            switch error {
            case let refused as MeshClient.Refused where refused.status == 503: .noQuorum
            case let refused as MeshClient.Refused where refused.status == 504: .outcomeUnknown
            case is MeshClient.Unreachable: .unreachable
            case is MeshClient.Unanswered: .outcomeUnknown
            case is UsageError: .usage
            default: .refused
            }
    }
}

/// Something that the parser of the command line could not know to be wrong.
struct UsageError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Turns an error into one line on standard error and the exit status that stands for it.
enum Failure {
    /// - Parameter json: the line is a JSON document, `{"error", "detail"}`.
    static func explained(json: Bool = false, _ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch let exit as ExitCode {
            throw exit
        } catch {
            let line = json ? document(error) : "meshnode: \(error)"
            FileHandle.standardError.write(Data((line + "\n").utf8))
            throw ExitCode(ExitStatus(of: error).rawValue)
        }
    }

    private static func document(_ error: any Error) -> String {
        let kind: String =
            switch ExitStatus(of: error) {
            case .usage: "usage"
            case .unreachable: "unreachable"
            case .outcomeUnknown: "outcome-unknown"
            case .done, .refused, .noQuorum: (error as? MeshClient.Refused)?.kind ?? "failed"
            }
        let detail = (error as? MeshClient.Refused)?.detail ?? "\(error)"
        return String(
            decoding: JSONValue.object(["error": .string(kind), "detail": .string(detail)]).encode(), as: UTF8.self)
    }
}
