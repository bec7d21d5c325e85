import ArgumentParser
import Authority
import Foundation

/// `meshnode users`: who may sign in.
struct UsersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "users", abstract: "List, add, change and remove users.",
        discussion: """
            Users belong to the whole mesh; any agent will do. Roles, each with all that those before it may: service \
            (programs: prompts and metrics), user, operator, admin. Passwords are asked for at the terminal, or read from \
            standard input, a line each; never give one as an argument.
            """,
        subcommands: [List.self, Add.self, SetPassword.self, SetRole.self, Remove.self], defaultSubcommand: List.self)

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List all users (admin).",
            usage: "meshnode users [<options>]", discussion: AgentOptions.explained())

        @OptionGroup(title: "Common") var options: AgentOptions

        func run() async throws {
            try await options.ask { agent in
                let document = try await agent.client.send(.GET, "/mesh/v1/users").json
                agent.show(document) {
                    var table = TextTable(["user", "role", "sessions"], numeric: [2])
                    for user in document["users"]?.elements ?? [] {
                        table.add([user["username"].shown, user["role"].shown, user["sessions"].shown])
                    }
                    return table.lines(ifEmpty: "no users yet")
                }
            }
        }
    }

    struct Add: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add a user (admin).",
            usage: "meshnode users add <name> [--role <role>] [<options>]",
            discussion: """
                Asks for the password, twice at a terminal. From a program: \
                printf '%s\\n' "$PASSWORD" | meshnode users add ada
                """)

        @Argument(help: "The new user's name, 1 to 64 bytes.") var name: String
        @Option(help: "service, user, operator or admin.") var role = "user"
        @OptionGroup(title: "Common") var options: AgentOptions

        func validate() throws { try checkRole(role) }

        func run() async throws {
            try await options.ask { agent in
                let password = try PasswordPrompt.askNew(for: name)
                let wish = JSONValue.object([
                    "username": .string(name), "password": .string(password), "role": .string(role),
                ])
                let document = try await agent.client.send(.POST, "/mesh/v1/users", body: Data(wish.encode())).json
                agent.show(document) { ["added \(name), role \(role)"] }
            }
        }
    }

    struct SetPassword: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give a user a new password.",
            usage: "meshnode users set-password <name> [<options>]",
            discussion: """
                Signed in with --user, you may change your own: the present password is then asked for again. Another's takes \
                an admin. The user is signed out everywhere else; API keys go on.
                """)

        @Argument(help: "The user.") var name: String
        @OptionGroup(title: "Common") var options: AgentOptions

        func run() async throws {
            try await options.ask { agent in
                let isOwn = options.user == name
                let current = isOwn ? try PasswordPrompt.ask(for: name) : nil
                let password = try PasswordPrompt.askNew(for: name)
                let wish = JSONValue.object([
                    "password": .string(password), "current_password": current.map { .string($0) },
                ])
                _ = try await agent.client.send(
                    .PUT, "/mesh/v1/users/\(name.urlSegment)/password", body: Data(wish.encode()))
                agent.show(.object(["username": .string(name), "changed": .bool(true)])) {
                    ["\(name) has a new password, and is signed out everywhere else"]
                }
            }
        }
    }

    struct SetRole: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give a user another role (admin).",
            usage: "meshnode users set-role <name> <role> [<options>]",
            discussion: "Counts from the next request on; sessions go on. The last admin stays one.")

        @Argument(help: "The user.") var name: String
        @Argument(help: "service, user, operator or admin.") var role: String
        @OptionGroup(title: "Common") var options: AgentOptions

        func validate() throws { try checkRole(role) }

        func run() async throws {
            try await options.ask { agent in
                let wish = JSONValue.object(["role": .string(role)])
                _ = try await agent.client.send(
                    .PUT, "/mesh/v1/users/\(name.urlSegment)/role", body: Data(wish.encode()))
                agent.show(.object(["username": .string(name), "role": .string(role)])) {
                    ["\(name) has the role \(role)"]
                }
            }
        }
    }

    struct Remove: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove a user, with all sessions and API keys (admin).",
            usage: "meshnode users remove <name> [<options>]", discussion: "The last admin stays.")

        @Argument(help: "The user.") var name: String
        @OptionGroup(title: "Common") var options: AgentOptions

        func run() async throws {
            try await options.ask { agent in
                _ = try await agent.client.send(.DELETE, "/mesh/v1/users/\(name.urlSegment)")
                agent.show(.object(["username": .string(name), "removed": .bool(true)])) { ["removed \(name)"] }
            }
        }
    }
}

/// Refuses a role that nobody has, before anything is asked.
func checkRole(_ name: String) throws {
    guard Role(name: name) != nil else {
        throw ValidationError("'\(name)' is no role: write service, user, operator or admin.")
    }
}

extension JSONValue? {
    /// As a cell of a table.
    var shown: String {
        switch self {
        case .string(let text)?: text
        case .number(let digits)?: digits
        case .bool(let flag)?: flag ? "yes" : "no"
        case .null?, .array?, .object?, nil: "-"
        }
    }
}
