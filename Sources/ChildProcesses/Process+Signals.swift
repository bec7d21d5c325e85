import Foundation

extension Process {
    /// Starts the program with every signal let through.
    ///
    /// A child inherits the signal mask of the thread that starts it, and on Linux the threads that run tasks block nearly
    /// all of them: a child that is started there would never hear SIGTERM.
    package func runHearingSignals() throws {
        var none = sigset_t()
        var before = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        try run()
    }

    private static let starting = NSLock()

    /// Makes a child's pipes and starts it, while no other child is.
    ///
    /// On Linux a child closes the descriptors that were open when its start began. A pipe that another thread makes
    /// right then lives on in that child, and whoever waits for the pipe's end waits for the child's.
    package static func oneAtATime<Made>(_ start: () throws -> Made) rethrows -> Made { try starting.withLock(start) }
}
