import ArgumentParser
import Foundation

@main
struct MeshNodeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "meshnode",
        abstract: "One agent per machine: gossip, one authority, every prompt to the node that answers first.",
        discussion: """
            'meshnode demo' shows a mesh of five on this machine. On machines of your own, write a configuration for each \
            (configs/README.md), run 'meshnode init' once with all of them, and 'meshnode run' on each. The other commands \
            ask a running agent; 'meshnode status --help' says how it is found.

            Every command exits with 0 when it is done, 1 refused or failed, 2 not understood, 3 no agent reached, 4 no \
            quorum (nothing was changed), 5 outcome unknown.
            """,
        version: Agent.version,
        groupedSubcommands: [
            CommandGroup(
                name: "A Node",
                subcommands: [
                    InitCommand.self, JoinCommand.self, RunCommand.self, LeaveCommand.self, DoctorCommand.self,
                ]),
            CommandGroup(
                name: "The Mesh",
                subcommands: [
                    StatusCommand.self, MembersCommand.self, RoundTripCommand.self, EventsCommand.self,
                    RouteCommand.self,
                    ValuesCommand.self, LocksCommand.self, TopicCommand.self, TokenCommand.self, RevokeCommand.self,
                    SecretCommand.self,
                ]),
            CommandGroup(name: "People", subcommands: [UsersCommand.self, SessionsCommand.self, KeysCommand.self]),
            CommandGroup(name: "Trying It", subcommands: [DemoCommand.self, SimulateCommand.self, BenchCommand.self]),
        ])

    /// As the library's own, with the exit status that docs/CLI.md promises for a command that was not understood.
    static func main() async {
        do {
            var command = try await asyncParseAsRoot()
            if var running = command as? any AsyncParsableCommand {
                try await running.run()
            } else {
                try command.run()
            }
        } catch {
            guard exitCode(for: error) == .validationFailure else { exit(withError: error) }
            FileHandle.standardError.write(Data((fullMessage(for: error) + "\n").utf8))
            Foundation.exit(ExitStatus.usage.rawValue)
        }
    }
}
