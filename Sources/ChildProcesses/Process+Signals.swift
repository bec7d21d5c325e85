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
}
