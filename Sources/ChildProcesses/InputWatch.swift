import Foundation

/// A child's part in not outliving whoever started it: its standard input is a pipe whose other end closes when that
/// process is gone, however it went.
package enum InputWatch {
    /// This process asks itself to end once its input has ended.
    package static func endProcessWithInput() {
        Thread.detachNewThread {
            while !FileHandle.standardInput.availableData.isEmpty {}
            kill(getpid(), SIGTERM)
        }
    }
}
