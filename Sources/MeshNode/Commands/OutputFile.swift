import Foundation

/// A file that a person asked for by its path.
enum OutputFile {
    /// Replaces what is there.
    static func write(_ bytes: Data, to path: String) throws(ConfigError) {
        do {
            try bytes.write(to: URL(fileURLWithPath: path))
        } catch {
            let reason = ((error as NSError).userInfo[NSUnderlyingErrorKey] as? any Error ?? error) as NSError
            let words = reason.domain == NSPOSIXErrorDomain ? String(cString: strerror(CInt(reason.code))) : "\(error)"
            throw ConfigError(
                file: path, problem: "cannot be written (\(words))",
                advice: "check that its folder exists and is yours to write in")
        }
    }
}
