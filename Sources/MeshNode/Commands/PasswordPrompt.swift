import Foundation

/// Reads secrets from the person at the terminal, without showing them, or from a program through standard input, a line
/// each. Never from an argument: those are in every list of processes.
enum PasswordPrompt {
    private static let lineBytesMax = 4096

    /// The password of a user who exists.
    static func ask(for user: String) throws -> String {
        guard isTerminal else { return try line() }
        return try hidden("Password of \(user): ")
    }

    /// A join token, typed or pasted unseen.
    static func askToken() throws -> String { try isTerminal ? hidden("Token: ") : line() }

    /// A new password, which a person types twice.
    static func askNew(for user: String) throws -> String {
        guard isTerminal else { return try line() }
        let first = try hidden("New password of \(user): ")
        guard try hidden("The same again: ") == first else {
            throw UsageError("the two passwords differ; nothing was changed")
        }
        return first
    }

    private static var isTerminal: Bool { isatty(STDIN_FILENO) == 1 }

    /// Byte by byte, so that what follows the line is left for others.
    private static func line() throws -> String {
        var bytes: [UInt8] = []
        while let byte = nextByte(), byte != UInt8(ascii: "\n") {
            bytes.append(byte)
            guard bytes.count <= lineBytesMax else { throw UsageError("the password on standard input is too long") }
        }
        if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
        return try text(bytes)
    }

    private static func text(_ bytes: [UInt8]) throws -> String {
        guard !bytes.isEmpty else {
            throw UsageError("a password is needed: type it at a terminal, or give it as a line of standard input")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw UsageError("the password is not UTF-8") }
        return text
    }

    /// Reads with echo, line editing and signals off, so that nothing can end this program and leave the terminal mute.
    private static func hidden(_ prompt: String) throws -> String {
        var before = termios()
        guard tcgetattr(STDIN_FILENO, &before) == 0 else { return try line() }
        var quiet = before
        quiet.c_lflag &= ~tcflag_t(ECHO | ICANON | ISIG)
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet)
        // Only now: what is typed before the terminal is quiet would be lost.
        FileHandle.standardError.write(Data(prompt.utf8))
        defer {
            tcsetattr(STDIN_FILENO, TCSAFLUSH, &before)
            FileHandle.standardError.write(Data("\n".utf8))
        }
        var bytes: [UInt8] = []
        while let byte = nextByte() {
            switch byte {
            case 0x0A, 0x0D: return try text(bytes)
            case 0x03, 0x04: throw UsageError("given up; nothing was changed")  // Ctrl-C, Ctrl-D
            case 0x08, 0x7F: dropCharacter(&bytes)
            case 0x15: bytes = []  // Ctrl-U
            default: if bytes.count < lineBytesMax { bytes.append(byte) }
            }
        }
        return try text(bytes)
    }

    /// The last character with all its UTF-8 bytes.
    private static func dropCharacter(_ bytes: inout [UInt8]) {
        while let last = bytes.popLast(), last & 0xC0 == 0x80 {}
    }

    private static func nextByte() -> UInt8? {
        var byte: UInt8 = 0
        while true {
            let count = read(STDIN_FILENO, &byte, 1)
            if count == 1 { return byte }
            guard count < 0, errno == EINTR else { return nil }
        }
    }
}
