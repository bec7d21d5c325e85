import ArgumentParser
import Foundation

/// `meshnode kv`: the small values that the mesh shares.
struct ValuesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kv", abstract: "Read and write the small values that the mesh shares.",
        discussion: """
            A value has at most 256 KiB and a revision that grows with every change. Conditions on the revision make safe \
            read-change-write cycles: the change is refused (exit 1) if somebody was faster.
            """,
        subcommands: [List.self, Get.self, Put.self, Delete.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List keys in order, at most 1000 at once.",
            usage: "meshnode kv list [<prefix>] [--after <key>] [--local] [<options>]",
            discussion: AgentOptions.explained())

        @Argument(help: "Only keys that begin so.") var prefix = ""
        @Option(help: ArgumentHelp("Go on behind this key, for the next page.", valueName: "key")) var after: String?
        @Flag(help: "As this node has it, perhaps not the newest; works without a primary.") var local = false
        @OptionGroup(title: "Common") var options: AgentOptions

        func run() async throws {
            try await options.ask { agent in
                let path =
                    "/mesh/v1/kv?prefix=\(prefix.urlSegment)" + (after.map { "&after=\($0.urlSegment)" } ?? "")
                    + (local ? "&consistency=local" : "")
                let document = try await agent.client.send(.GET, path).json
                agent.show(document) {
                    var table = TextTable(["key", "revision", "bytes"], numeric: [1, 2])
                    for entry in document["entries"]?.elements ?? [] {
                        table.add([entry["key"].shown, entry["revision"].shown, entry["size"].shown])
                    }
                    return table.lines(ifEmpty: "no such keys")
                }
            }
        }
    }

    struct Get: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print a value's bytes as they are.",
            usage: "meshnode kv get <key> [--local] [<options>]",
            discussion:
                "With --json, a document with 'revision' and 'value', or 'value_base64' where it is not UTF-8 text.")

        @Argument(help: "The key.") var key: String
        @Flag(help: "As this node has it, perhaps not the newest; works without a primary.") var local = false
        @OptionGroup(title: "Common") var options: AgentOptions

        func validate() throws { try ArgumentCheck.name(key, of: "value") }

        func run() async throws {
            try await options.ask { agent in
                let path = "/mesh/v1/kv/\(key.urlSegment)" + (local ? "?consistency=local" : "")
                let reply = try await agent.client.send(.GET, path)
                let bytes = reply.bytes
                guard options.json else { return FileHandle.standardOutput.write(Data(bytes)) }
                let text = String(validating: bytes, as: UTF8.self)
                agent.show(
                    .object([
                        "key": .string(key), "revision": .number(reply.revision ?? "0"),
                        "value": text.map { .string($0) },
                        "value_base64": text == nil ? .string(Data(bytes).base64EncodedString()) : nil,
                    ])
                ) { [] }
            }
        }
    }

    struct Put: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Store a value and print its revision.",
            usage:
                "meshnode kv put <key> [<value>] [--if-revision <revision> | --if-absent | --lock <name> --token <token>] [<options>]",
            discussion: "Without VALUE, or with '-', the value is what comes on standard input, byte for byte.")

        @Argument(help: "The key, 1 to 512 bytes.") var key: String
        @Argument(help: "The value.") var value: String?
        @Option(help: ArgumentHelp("Only if it has this revision now.", valueName: "revision")) var ifRevision: UInt64?
        @Flag(help: "Only if there is no such value yet.") var ifAbsent = false
        @Option(help: ArgumentHelp("Only while this lock is held under --token.", valueName: "name")) var lock: String?
        @Option(help: ArgumentHelp("The lock's token.", valueName: "token")) var token: UInt64?
        @OptionGroup(title: "Common") var options: AgentOptions

        func validate() throws {
            try ArgumentCheck.name(key, of: "value")
            guard [ifRevision != nil, ifAbsent, lock != nil].count(where: { $0 }) <= 1 else {
                throw ValidationError("Give one of --if-revision, --if-absent and --lock.")
            }
            guard (lock == nil) == (token == nil) else { throw ValidationError("Give --lock and --token together.") }
        }

        func run() async throws {
            try await options.ask { agent in
                let bytes =
                    if let value, value != "-" { Data(value.utf8) } else {
                        FileHandle.standardInput.readDataToEndOfFile()
                    }
                var fields = ["Content-Type": "application/octet-stream"]
                if let ifRevision { fields["If-Match"] = "\"\(ifRevision)\"" }
                if ifAbsent { fields["If-None-Match"] = "*" }
                let holding = lock.flatMap { name in token.map { "?lock=\(name.urlSegment)&token=\($0)" } } ?? ""
                let reply = try await agent.client.send(
                    .PUT, "/mesh/v1/kv/\(key.urlSegment)\(holding)", body: bytes, fields: fields)
                let revision = reply.revision ?? "0"
                let isNew = reply.status == 201
                agent.show(
                    .object(["key": .string(key), "revision": .number(revision), "created": .bool(isNew)])
                ) { ["\(isNew ? "created" : "replaced") \(key), revision \(revision)"] }
            }
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete a value.",
            usage: "meshnode kv delete <key> [--if-revision <revision>] [<options>]")

        @Argument(help: "The key.") var key: String
        @Option(help: ArgumentHelp("Only if it has this revision now.", valueName: "revision")) var ifRevision: UInt64?
        @OptionGroup(title: "Common") var options: AgentOptions

        func validate() throws { try ArgumentCheck.name(key, of: "value") }

        func run() async throws {
            try await options.ask { agent in
                let fields = ifRevision.map { ["If-Match": "\"\($0)\""] } ?? [:]
                _ = try await agent.client.send(.DELETE, "/mesh/v1/kv/\(key.urlSegment)", fields: fields)
                agent.show(.object(["key": .string(key), "deleted": .bool(true)])) { ["deleted \(key)"] }
            }
        }
    }
}
