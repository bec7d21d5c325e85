import Primitives

/// A place in an imagined space in which distance is round-trip time: Vivaldi (Dabek, Cox, Kaashoek, Morris, SIGCOMM
/// 2004) with height (§5.4). From the acks it gets anyway, each member finds its own place; the distance of two places
/// then estimates the round trip of two members that need never have met.
///
/// Intuition: a spring between us and whoever answered has the length of the measured round trip. It pulls or pushes us
/// a little, the less the surer we are and the less sure the other is. Height is what every path of a member has in
/// common, its access link, which no direction of the plane can express.
///
/// Only an estimate, on one node, for people and for choosing among targets; nothing replicated depends on it.
package struct Coordinate: Hashable, Sendable {
    /// In microseconds.
    package private(set) var position: SIMD4<Double> = .zero
    /// In microseconds, at least `heightMin`.
    package private(set) var height = Self.heightMin
    /// How wrong an estimate from here is expected to be, relative to its size.
    package private(set) var error = Self.errorMax

    package static let heightMin = 10.0
    package static let heightMax = 10e6
    package static let positionMax = 100e6
    package static let errorMax = 1.5
    private static let errorMin = 0.001
    /// The paper's c_c and c_e: how much of a step one sample is worth, and of our error.
    private static let stepWeight = 0.25
    private static let errorWeight = 0.25

    /// Where everyone begins, sure of nothing.
    package init() {}

    /// A place as another member states it. Nil if no member could be there.
    package init?(position: SIMD4<Double>, height: Double, error: Double) {
        guard Self.isPlausible(position), (Self.heightMin...Self.heightMax).contains(height),
            (Self.errorMin...Self.errorMax).contains(error)
        else { return nil }
        self.position = position
        self.height = height
        self.error = error
    }

    /// The estimated round trip between two places; between a place and itself it means nothing.
    package func roundTrip(to other: Coordinate) -> Duration {
        Duration(wholeNanoseconds: Int64(distance(to: other) * 1000))
    }

    /// Moves us by one measured round trip (§3.5's algorithm, with the height vectors of §5.4).
    package mutating func update(roundTrip sample: Duration, to other: Coordinate, random: inout SeededRandom) {
        let measured = min(max(Double(sample.inNanoseconds) / 1000, 1), 60e6)
        let estimated = distance(to: other)
        let weight = error / (error + other.error)
        let wrong = abs(estimated - measured) / measured
        let share = Self.errorWeight * weight
        error = min(max(wrong * share + error * (1 - share), Self.errorMin), Self.errorMax)
        let force = Self.stepWeight * weight * (measured - estimated)
        var away = position - other.position
        if Self.length(away) < 1 { away = Self.anyDirection(&random) }
        let length = Self.length(away) + height + other.height
        let moved = position + away * (force / length)
        if Self.isPlausible(moved) { position = moved }
        height = min(max(height + (height + other.height) * force / length, Self.heightMin), Self.heightMax)
    }

    private func distance(to other: Coordinate) -> Double {
        Self.length(position - other.position) + height + other.height
    }

    private static func length(_ v: SIMD4<Double>) -> Double {
        (v.x * v.x + v.y * v.y + (v.z * v.z + v.w * v.w)).squareRoot()
    }

    private static func isPlausible(_ v: SIMD4<Double>) -> Bool {
        (0..<4).allSatisfy { v[$0].isFinite && abs(v[$0]) <= positionMax }
    }

    /// Two that stand in one place part in any direction, by about a microsecond.
    private static func anyDirection(_ random: inout SeededRandom) -> SIMD4<Double> {
        func component() -> Double { Double(random.below(2001) - 1000) / 1000 + 0.0005 }
        return SIMD4(component(), component(), component(), component())
    }
}

extension Double {
    /// The nearest whole number, halves away from zero. `rounded()` needs the C library, which the cores do without.
    fileprivate var nearest: Int { Int(self + (self < 0 ? -0.5 : 0.5)) }
}

/// 22 bytes: four components and the height in whole microseconds, the error in thousandths.
extension ByteWriter {
    mutating func write(_ coordinate: Coordinate) {
        for index in 0..<4 { write(UInt32(bitPattern: Int32(coordinate.position[index].nearest))) }
        write(UInt32(coordinate.height.nearest))
        write(UInt16((coordinate.error * 1000).nearest))
    }
}

extension ByteReader {
    mutating func readCoordinate() throws(DecodeError) -> Coordinate {
        var position = SIMD4<Double>.zero
        for index in 0..<4 { position[index] = Double(Int32(bitPattern: try readUInt32())) }
        let height = Double(try readUInt32())
        let error = Double(try readUInt16()) / 1000
        guard let coordinate = Coordinate(position: position, height: height, error: error) else {
            throw .invalid("coordinate")
        }
        return coordinate
    }
}
