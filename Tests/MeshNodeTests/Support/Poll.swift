import Foundation

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// Asks again and again until there is an answer, since other processes tell nobody when they are done. Errors count as
/// "not yet"; the last one is told when the time is up.
func poll<Answer>(
    _ claim: String, within limit: Duration, every interval: Duration = .milliseconds(20),
    _ ask: () async throws -> Answer?
) async throws -> Answer {
    let deadline = ContinuousClock.now + limit
    var obstacle = ""
    repeat {
        do {
            if let answer = try await ask() { return answer }
        } catch {
            obstacle = ": \(error)"
        }
        try await Task.sleep(for: interval)
    } while ContinuousClock.now < deadline
    throw DemoTrouble("it did not come true within \(limit) that \(claim)\(obstacle)")
}

/// As `poll`, for a claim that is true or not.
func pollUntil(
    _ claim: String, within limit: Duration, every interval: Duration = .milliseconds(20),
    _ holds: () async throws -> Bool
) async throws {
    _ = try await poll(claim, within: limit, every: interval) { try await holds() ? true : nil }
}

/// A short rest that also rests in a task that was cancelled, for clearing up after a test.
func restABit() async {
    if (try? await Task.sleep(for: .milliseconds(10))) == nil { usleep(10_000) }
}

/// A folder of a test's own, removed at its end.
func withFolder<Result>(_ body: (URL) async throws -> Result) async throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("meshnode-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try await body(folder)
}
