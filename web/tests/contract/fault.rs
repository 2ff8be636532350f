//! The promises that a store may break, and the check that finds each.

/// A promise that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A key without a value is unchanged if a mark is given.
    AbsentIsUnchanged,
    /// A new value loses its last byte.
    CutsOff,
    /// A known mark is not looked at.
    AlwaysSendsValue,
    /// Values over 64 KiB are cut off.
    CutsOffLong,
    /// The last byte of a key is not looked at.
    ShortKeys,
    /// All keys are one while another call is under way.
    OneKeyAtATime,
    /// Values have no end.
    NoEnd,
    /// The time of the first put stands.
    FirstTimeStands,
    /// The engine has no name.
    Nameless,
    /// A put on the value's mark is a conflict.
    NeverReplaces,
    /// The last byte of the expected mark is not looked at.
    ShortMark,
    /// A conflict brings no value.
    ConflictBringsNothing,
    /// A put on a mark writes where there is no value.
    WritesAfterRemoval,
    /// A second put of the same value is a conflict.
    SecondPutConflicts,
    /// It compares, and writes later.
    ComparesThenWrites,
    /// It writes whatever the mark is.
    BlindWrite,
    /// Any owner gets the lease.
    NobodyOwns,
    /// A lease reads nothing.
    LeaseReadsNothing,
    /// A lease sends a known value.
    LeaseSendsKnown,
    /// A lease is not renewed.
    NoRenewal,
    /// Leases have no end.
    LeaseNoEnd,
    /// A lease is not given back.
    NoRelease,
    /// A stranger's release is obeyed.
    StrangerReleases,
    /// A put releases nothing.
    PutReleasesNothing,
    /// A put releases any lease.
    PutReleasesAll,
    /// A put that conflicts releases its owner's lease.
    ConflictReleases,
    /// A note is as good as no lease.
    IgnoresNotes,
    /// Any note may be replaced.
    ReplacesAnyNote,
    /// No note may be replaced.
    ReplacesNoNote,
    /// Notes have no end.
    NoteNoEnd,
    /// Notes over 100 bytes are cut off.
    CutsOffNotes,
    /// A stranger's note is kept.
    StrangerNotes,
    /// A removal keeps the value.
    RemovesNothing,
    /// A removal keeps the lease.
    KeepsLease,
    /// A listener does not start unsure.
    StartsSure,
    /// Removals are not announced.
    Silent,
    /// All news is unsure.
    AlwaysUnsure,
    /// Removals of other applications are announced too.
    HearsAll,
    /// A dropped `next` loses the news.
    LosesNews,
    /// The list ends after the first page.
    OnePage,
    /// The list misses the last key of a page.
    MissesLast,
    /// The list has removed keys.
    ListsRemoved,
    /// The list goes on by count, so that changes move it.
    PagesByCount,
    /// A dropped put leaves half a value.
    HalfWritten,
    /// The answer of a dropped load goes to the next call.
    AnswersMixedUp,
}

/// Each fault, and the name of a check that has to find it.
pub(crate) const FAULTS: &[(Fault, &str)] = &[
    (Fault::AbsentIsUnchanged, "a key without a value is absent"),
    (Fault::CutsOff, "a new value is loaded as it was put"),
    (Fault::AlwaysSendsValue, "a known mark brings no value"),
    (Fault::CutsOffLong, "values of every size stay whole"),
    (Fault::ShortKeys, "keys of every byte are told apart"),
    (Fault::OneKeyAtATime, "many keys at once"),
    (Fault::NoEnd, "a value ends by itself"),
    (Fault::FirstTimeStands, "a put gives the value a new time"),
    (Fault::Nameless, "the engine is named"),
    (Fault::NeverReplaces, "a put on the value's mark replaces it"),
    (Fault::ShortMark, "a put on another mark writes nothing and brings the value"),
    (Fault::ConflictBringsNothing, "a put on another mark writes nothing and brings the value"),
    (Fault::WritesAfterRemoval, "a put on a mark without a value writes nothing"),
    (Fault::SecondPutConflicts, "a second put of the same value is stored"),
    (Fault::ComparesThenWrites, "of puts on one mark one is stored"),
    (Fault::BlindWrite, "updates at once lose nothing"),
    (Fault::NobodyOwns, "a lease has one owner"),
    (Fault::LeaseReadsNothing, "a lease brings the value"),
    (Fault::LeaseSendsKnown, "a lease brings the value"),
    (Fault::NoRenewal, "a lease is renewed for its owner"),
    (Fault::LeaseNoEnd, "a lease ends by itself"),
    (Fault::NoRelease, "a lease is given back by its owner"),
    (Fault::StrangerReleases, "a stranger releases nothing"),
    (Fault::PutReleasesNothing, "a put releases its owner's lease"),
    (Fault::PutReleasesAll, "a put releases no stranger's lease"),
    (Fault::ConflictReleases, "a put that conflicts releases nothing"),
    (Fault::IgnoresNotes, "a note takes the lease's place"),
    (Fault::ReplacesAnyNote, "a note is replaced where it is named"),
    (Fault::ReplacesNoNote, "a note is replaced where it is named"),
    (Fault::NoteNoEnd, "a note ends by itself"),
    (Fault::CutsOffNotes, "notes of every byte stay whole"),
    (Fault::StrangerNotes, "a stranger leaves no note"),
    (Fault::RemovesNothing, "a removal takes the value"),
    (Fault::KeepsLease, "a removal takes the lease"),
    (Fault::WritesAfterRemoval, "a removed value is not replaced"),
    (Fault::StartsSure, "a listener starts unsure"),
    (Fault::Silent, "every listener hears of a removal"),
    (Fault::AlwaysUnsure, "every listener hears of a removal"),
    (Fault::HearsAll, "a listener hears of its application alone"),
    (Fault::LosesNews, "a next that is dropped loses no news"),
    (Fault::OnePage, "pages have every key"),
    (Fault::MissesLast, "pages have every key"),
    (Fault::ListsRemoved, "pages have no key without a value"),
    (Fault::PagesByCount, "pages have every key during changes"),
    (Fault::HalfWritten, "dropped futures leave the store whole"),
    (Fault::AnswersMixedUp, "no answer goes to another call after a drop"),
];
