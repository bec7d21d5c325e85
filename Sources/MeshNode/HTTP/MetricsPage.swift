import Authority
import NodeCore
import Primitives
import Synchronization

/// One node's figures in Prometheus' text format (version 0.0.4).
struct MetricsPage {
    let view: ClusterView
    let now: Instant
    let uptime: Duration
    /// HTTP responses by status.
    let responses: [(status: Int, count: Int)]

    var text: String {
        let consensus = view.consensus
        let state = view.authority
        var page = ""
        gauge("uptime_seconds", "Since this agent started.", Int(uptime.inSeconds), &page)
        gauge("raft_term", "Current term, also the epoch.", consensus.term.value, &page)
        gauge("raft_commit_index", "Last entry known to be committed.", consensus.commitIndex.value, &page)
        gauge("raft_applied_index", "Last entry applied here.", consensus.appliedIndex.value, &page)
        gauge("is_primary", "1 while this node holds the lease.", view.isPrimary(at: now) ? 1 : 0, &page)
        gauge("has_primary", "1 while a primary is known.", view.primary(at: now) == nil ? 0 : 1, &page)
        gauge("is_fresh", "1 while revocations are judged as the mesh would.", view.isFresh(at: now) ? 1 : 0, &page)
        gauge("is_isolated", "1 while this node hears nobody, though it should.", view.isIsolated ? 1 : 0, &page)
        gauge("voters", "Voting members.", consensus.voters.count, &page)
        head("members", "gauge", "Members by state, as seen here.", &page)
        for (name, state) in StatusDocument.stateNames {
            page += "meshnode_members{state=\"\(name)\"} \(view.members.count { $0.state == state })\n"
        }
        gauge("users", "Users of the mesh.", state.users.count, &page)
        gauge("sessions", "Sessions of all users.", state.sessions.count, &page)
        gauge("values", "Stored values.", state.values.count, &page)
        gauge("value_bytes", "Bytes of all keys and values.", state.values.bytesTotal, &page)
        writeCounters(&page)
        return page
    }

    private func writeCounters(_ page: inout String) {
        let counters = view.counters
        counter("datagrams_received_total", "Datagrams received.", counters.receivedDatagrams, &page)
        counter("datagrams_sent_total", "Datagrams sent.", counters.sentDatagrams, &page)
        counter(
            "payloads_malformed_total", "Opened frames whose content made no sense.", counters.malformedPayloads, &page)
        head("frames_rejected_total", "counter", "Frames that could not be opened, by reason.", &page)
        for (reason, count) in counters.rejectedFrames.sorted(by: { $0.key < $1.key }) {
            page += "meshnode_frames_rejected_total{reason=\"\(Self.label(reason))\"} \(count)\n"
        }
        head("http_responses_total", "counter", "Responses outside the gateway, by status.", &page)
        for (status, count) in responses { page += "meshnode_http_responses_total{status=\"\(status)\"} \(count)\n" }
    }

    private func gauge(_ name: String, _ help: String, _ value: some FixedWidthInteger, _ page: inout String) {
        head(name, "gauge", help, &page)
        page += "meshnode_\(name) \(value)\n"
    }

    private func counter(_ name: String, _ help: String, _ value: Int, _ page: inout String) {
        head(name, "counter", help, &page)
        page += "meshnode_\(name) \(value)\n"
    }

    private func head(_ name: String, _ kind: String, _ help: String, _ page: inout String) {
        page += "# HELP meshnode_\(name) \(help)\n# TYPE meshnode_\(name) \(kind)\n"
    }

    private static func label(_ text: String) -> String {
        text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }
}

/// Responses counted by status.
final class ResponseCounts: Sendable {
    private let counts = Mutex<[Int: Int]>([:])

    func add(_ status: Int) { counts.withLock { $0[status, default: 0] += 1 } }

    /// By status.
    var snapshot: [(status: Int, count: Int)] {
        counts.withLock { $0.sorted { $0.key < $1.key }.map { (status: $0.key, count: $0.value) } }
    }
}
