import Routing
import Testing

@Suite("Cost model: one table for each term")
struct CostModelTests {
    private static let speed = SpeedModel.Forecast(prefillPace: 0.001, decodePace: 0.01, loadSeconds: 10, crowding: 0.5)

    private func place(
        roundTrip: Double? = 0, slots: Int = 2, requests: Double = 0, service: Double? = 4, isLoaded: Bool = true,
        failures: Double = 0, isSuspect: Bool = false
    ) -> CostModel.Place {
        CostModel.Place(
            roundTrip: roundTrip, slots: slots, requests: requests, serviceSeconds: service, isLoaded: isLoaded,
            speed: Self.speed, failureShare: failures, isSuspect: isSuspect)
    }

    private func estimate(_ place: CostModel.Place, prompt: Double = 1000, output: Double = 100) -> Estimate {
        CostModel().estimate(promptTokens: prompt, outputTokens: output, at: place)
    }

    @Test("round trip: measured, or an assumption", arguments: [(0.0, 0.0), (0.04, 0.04), (nil, 0.03)])
    func roundTrip(measured: Double?, expected: Double) {
        #expect(estimate(place(roundTrip: measured)).roundTrip == expected)
    }

    @Test(
        "queue: nothing while a slot is free, then a share of a service time for each request ahead",
        arguments: [
            (0.0, 0.0), (1.0, 0.0), (1.5, 1.0), (2.0, 2.0), (3.0, 4.0), (10.0, 18.0),
        ])
    func queue(requests: Double, expected: Double) {
        #expect(estimate(place(requests: requests)).queue == expected)
    }

    @Test("queue: without a known service time others are taken to be like this request")
    func queueUnknownService() {
        #expect(estimate(place(slots: 1, requests: 1, service: nil)).queue == 2)
    }

    @Test("load: weighted in the sum, unweighted in the wait for the first byte")
    func load() {
        #expect(estimate(place()).load == 0)
        let cold = estimate(place(isLoaded: false))
        #expect(cold.load == 3.5)
        #expect(cold.firstByte == 11)
    }

    @Test("prefill grows with the prompt", arguments: [(0.0, 0.0), (1000.0, 1.0), (8000.0, 8.0)])
    func prefill(prompt: Double, expected: Double) {
        #expect(estimate(place(), prompt: prompt).prefill == expected)
    }

    @Test(
        "decode grows with the output and with company in the slots, not in the queue",
        arguments: [
            (0.0, 0.0, 0.0), (100.0, 0.0, 1.0), (100.0, 1.0, 1.5), (100.0, 9.0, 1.5),
        ])
    func decode(output: Double, requests: Double, expected: Double) {
        #expect(estimate(place(requests: requests), output: output).decode == expected)
    }

    @Test(
        "risk: the odds of failure, and a penalty for suspects",
        arguments: [
            (0.0, false, 0.0), (0.5, false, 1.0), (0.0, true, 2.0), (0.5, true, 3.0),
        ])
    func risk(failures: Double, isSuspect: Bool, expected: Double) {
        #expect(estimate(place(failures: failures, isSuspect: isSuspect)).risk == expected)
    }

    @Test("risk stays finite when everything failed")
    func certainFailure() {
        #expect(estimate(place(failures: 1)).risk < 20)
    }

    @Test("the deadline for a first byte is three times what is expected, and at least 250 ms")
    func deadline() {
        #expect(estimate(place()).firstByteDeadline == .seconds(3))
        #expect(estimate(place(), prompt: 1).firstByteDeadline == .milliseconds(250))
    }
}
