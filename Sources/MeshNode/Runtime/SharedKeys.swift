import SecureChannel
import Synchronization

/// The channel's keys for everything beside the loop: streams take the newest when they begin. Written to the data directory
/// before anybody uses them.
package final class SharedKeys: Sendable {
    private let keys: Mutex<ChannelKeys>
    /// nil: nothing is kept (tests).
    private let path: String?

    package init(_ keys: ChannelKeys, path: String? = nil) {
        self.keys = Mutex(keys)
        self.path = path
    }

    package var current: ChannelKeys { keys.withLock { $0 } }

    /// Blocks while it writes. Returns why it could not: then the old ones stay on the disk, and the new ones are used all
    /// the same, as the log demands.
    func replace(by changed: ChannelKeys) -> ConfigError? {
        var problem: ConfigError?
        if let path {
            var text = changed.keyring.encodeKeyFile()
            defer { SecretBytes.erase(&text) }
            do throws(ConfigError) { try PrivateFile.replace(path, text) } catch { problem = error }
        }
        keys.withLock { $0 = changed }
        return problem
    }
}
