import Pooling
import TestSupport
import Testing

@testable import PoolWorker

/// What is known of a pool.
@Suite struct PoolRecordTests {
    private func record(isShared: Bool = false) -> PoolRecord {
        PoolRecord(
            index: 1, serial: 1, databaseID: 5, userID: 6, isShared: isShared, settings: settings(),
            carries: nil)
    }

    private func enter(_ record: PoolRecord, password: String? = nil, facts: UInt64 = 0) {
        record.enter(
            user: "ann", role: 6, database: "shop", settings(), keys: nil,
            password: password.map { bytes($0) },
            facts: facts)
    }

    @Test func `credentials stay until a login brings others or a server refuses them`() {
        let record = record()
        enter(record, password: "one")
        enter(record)
        #expect(record.password == bytes("one"))
        enter(record, password: "two")
        #expect(record.password == bytes("two"))
        record.forgetCredentials()
        #expect(record.password == nil)
    }

    @Test func `a pool of several roles keeps no role's credentials`() {
        let shared = record(isShared: true)
        enter(shared, password: "one")
        #expect(shared.password == nil && shared.names == [6: "ann"] && shared.user == "(shared)")
    }

    @Test func `the first server decides whether all have agents`() {
        let (with, without) = (record(), record())
        #expect(with.decideCarries(true) && with.decideCarries(false))
        #expect(!without.decideCarries(false) && !without.decideCarries(true))
    }

    @Test func `a login as the owner is tried again once facts have changed`() {
        let record = record()
        record.refusesOwner()
        enter(record, facts: 0)
        #expect(record.notAsOwner)
        enter(record, facts: 1)
        #expect(!record.notAsOwner && record.facts == 1)
        enter(record, facts: 0)
        #expect(record.facts == 1, "an answer that took long changes nothing")
    }

    @Test func `clients, servers and hubs keep a pool in use`() {
        let record = record()
        #expect(!record.isUsed)
        for count in [record.countServer, record.countHub] {
            count(1)
            #expect(record.isUsed)
            count(-1)
        }
        enter(record)
        #expect(record.isUsed)
        record.leave()
        #expect(!record.isUsed && record.countPinned(1) == 1 && record.countPinned(-1) == 0)
    }
}
