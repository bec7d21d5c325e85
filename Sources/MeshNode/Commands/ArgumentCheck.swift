import ArgumentParser

/// What can be refused before any agent is asked.
enum ArgumentCheck {
    /// Names stand in the API's paths, where an empty part would be another path. Their lengths the API knows.
    static func name(_ name: String, of what: String) throws {
        guard name.split(separator: "/", omittingEmptySubsequences: false).allSatisfy({ !$0.isEmpty }) else {
            throw ValidationError(
                name.isEmpty
                    ? "Name a \(what)." : "'\(name)' names no \(what): slashes stand between parts, one at a time.")
        }
    }

    static func lockLifetime(_ seconds: Double) throws {
        guard (0.1...86400).contains(seconds) else {
            throw ValidationError("--ttl lies between 0.1 and 86400 seconds, not \(seconds).")
        }
    }
}
