/// What is read of bodies that nobody wants.
enum UploadLimits {
    /// A refused body is read and thrown away up to here, so that its sender hears the answer; a longer one is cut off.
    static let discardedBytesMax = 32 << 20
}
