import MeshNode
import NIOCore
import Testing

/// What commands print for people.
@Suite("Text of commands")
struct CommandTextTests {
    @Test("a table's columns are as wide as their widest cell, numbers line up at the right")
    func table() {
        var table = TextTable(["key", "bytes", "by"], numeric: [1])
        table.add(["a", "1", "ada"])
        table.add(["longer", "12345", ""])
        #expect(
            table.lines(ifEmpty: "-") == [
                "key     bytes  by",
                "a           1  ada",
                "longer  12345",
            ])
        #expect(TextTable(["key"]).lines(ifEmpty: "none") == ["none"])
    }

    @Test("rtt tells the distance of two coordinates, how sure it is, and what the asked node measured itself")
    func roundTrip() throws {
        let status = try JSONParser.parse(
            Array(
                #"""
                {"node":"aurora","members":[
                {"name":"aurora","round_trip_ms":null,
                 "coordinate":{"position_ms":[0,0,0,0],"height_ms":0.5,"error":0.1}},
                {"name":"sark","round_trip_ms":6.25,"coordinate":{"position_ms":[3,4,0,0],"height_ms":1.5,"error":0.25}},
                {"name":"flynn","round_trip_ms":2,"coordinate":{"position_ms":[3,0,0,0],"height_ms":0.5,"error":0.2}},
                {"name":"tron","round_trip_ms":null,"coordinate":null}]}
                """#.utf8))
        #expect(
            try RoundTripEstimate(between: "sark", and: nil, in: status).lines == [
                "7.00 ms between sark and aurora, by their coordinates (expected error 25 %)",
                "6.25 ms measured by the asked node",
            ])
        #expect(
            try RoundTripEstimate(between: "sark", and: "flynn", in: status).lines == [
                "6.00 ms between sark and flynn, by their coordinates (expected error 25 %)"
            ])
        #expect(throws: (any Error).self) { try RoundTripEstimate(between: "sark", and: "sark", in: status) }
        #expect(throws: (any Error).self) { try RoundTripEstimate(between: "sark", and: "tron", in: status) }
        #expect(throws: (any Error).self) { try RoundTripEstimate(between: "ram", and: nil, in: status) }
    }

    @Test("what others wrote cannot steer the terminal")
    func harmless() {
        #expect(TextTable.harmless("\u{1B}[2Jx\ny\u{9B}1m\u{202E}z") == "?[2Jx?y?1m?z")
        #expect(TextTable.harmless("Füße 模型 🙂") == "Füße 模型 🙂")
    }

    @Test("a decision shows the winner, each candidate with every term it has, and why others were not asked")
    func route() throws {
        let document = try JSONParser.parse(
            Array(
                #"""
                {"winner":"sark","prompt_tokens":256,"candidates":[
                {"node":"sark","backend":"x","eta_ms":1234.5,"terms":{"round_trip":0.3,"queue":0},"excluded":null},
                {"node":"aurora","backend":"y","eta_ms":2000,"terms":{"round_trip":0,"queue":12.4},"excluded":null},
                {"node":"laptop","backend":null,"eta_ms":null,"terms":null,"excluded":"no-such-model"}]}
                """#.utf8))
        #expect(
            RouteTablePage(document, model: "m").lines == [
                "a prompt with 256 tokens for m would go to sark/x, done in about 1.2 s",
                "",
                "   node    backend  estimate  round trip    queue",
                "*  sark    x           1.2 s     0.30 ms  0.00 ms",
                "   aurora  y           2.0 s     0.00 ms    12 ms",
                "",
                "not asked  because",
                "laptop     no such model",
            ])
        let nobody = try JSONParser.parse(Array(#"{"winner":null,"candidates":[]}"#.utf8))
        #expect(RouteTablePage(nobody, model: "m").lines == ["nobody can answer for m now: no node that is there has it"])
    }

    @Test("of each status only what is new is told, however the stream was cut")
    func events() throws {
        var reader = EventReader()
        var narrator = EventNarrator { "12:00:00" }
        let stream =
            Self.status(primary: "\"aurora\"", reachable: 2, sark: "alive")
            + Self.status(primary: "\"aurora\"", reachable: 2, sark: "alive")
            + Self.status(primary: "\"aurora\"", reachable: 2, sark: "suspect")
            + Self.status(primary: "null", reachable: 1, sark: "dead")
            + "event: route\ndata: {\"model\":\"m\",\"node\":\"sark\",\"backend\":\"x\",\"result\":\"done\",\"total_ms\":140,\"tokens\":7}\n\n"
        var lines: [String] = []
        for byte in stream.utf8 {
            for event in try reader.push(ByteBuffer(bytes: [byte])) { lines += narrator.lines(for: event) }
        }
        #expect(
            lines == [
                "12:00:00  aurora is primary, term 3", "12:00:00  2 of 2 voters reachable", "12:00:00  aurora is alive",
                "12:00:00  sark is alive", "12:00:00  sark is suspect",
                "12:00:00  no primary is known to aurora, term 3", "12:00:00  1 of 2 voters reachable",
                "12:00:00  sark is dead", "12:00:00  prompt for m: sark/x, done after 140 ms, 7 tokens",
            ])
    }

    private static func status(primary: String, reachable: Int, sark: String) -> String {
        let members = #"[{"id":"1","name":"aurora","state":"alive"},{"id":"2","name":"sark","state":"\#(sark)"}]"#
        let quorum = #"{"voters":2,"reachable":\#(reachable)}"#
        return "event: status\ndata: "
            + #"{"node":"aurora","term":3,"primary":\#(primary),"quorum":\#(quorum),"is_isolated":false,"members":\#(members)}"#
            + "\n\n"
    }
}
