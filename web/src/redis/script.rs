//! The scripts, each of which is one step of the engine.

use std::sync::OnceLock;

use redis::Cmd;

use super::{keys::milliseconds, limits::DRAFT};

/// A script and its digest.
pub(super) struct Script {
    text: &'static str,
    digest: OnceLock<String>,
    /// What a second call answers may be what the first one did, and look as if others did it.
    pub(super) compares: bool,
}

impl Script {
    const fn new(text: &'static str) -> Self {
        Self { text, digest: OnceLock::new(), compares: false }
    }

    const fn comparing(text: &'static str) -> Self {
        Self { text, digest: OnceLock::new(), compares: true }
    }

    fn digest(&self) -> &str {
        self.digest.get_or_init(|| redis::Script::new(self.text).get_hash().to_owned())
    }
}

/// A call of a script.
pub(super) struct ScriptCall<A> {
    pub(super) script: &'static Script,
    pub(super) keys: Vec<String>,
    pub(super) arguments: Vec<A>,
    /// What is sent with it, before it.
    pub(super) draft: Option<Draft<A>>,
}

/// A value under a name of its own, which the script renames. The engine copies what a script gets
/// as an argument several times, so a value of 10 kB costs it more than the rest of the step.
pub(super) struct Draft<A> {
    pub(super) key: String,
    pub(super) value: A,
}

impl<A: AsRef<[u8]>> Draft<A> {
    /// Where the script does not come, the draft ends by itself.
    fn command(&self) -> Cmd {
        let mut command = redis::cmd("SET");
        command.arg(&self.key).arg(self.value.as_ref()).arg("PX").arg(milliseconds(DRAFT));
        command
    }
}

impl<A: AsRef<[u8]>> ScriptCall<A> {
    /// The call by digest.
    pub(super) fn by_digest(&self) -> Cmd {
        self.command("EVALSHA", self.script.digest())
    }

    /// The call with the text, for an engine that does not know the digest. It knows it afterwards.
    pub(super) fn by_text(&self) -> Cmd {
        self.command("EVAL", self.script.text)
    }

    /// What is sent before either.
    pub(super) fn before(&self) -> Option<Cmd> {
        self.draft.as_ref().map(Draft::command)
    }

    /// The same call, for another task.
    pub(super) fn to_owned(&self) -> ScriptCall<Vec<u8>> {
        let draft = self
            .draft
            .as_ref()
            .map(|Draft { key, value }| Draft { key: key.clone(), value: value.as_ref().to_vec() });
        ScriptCall {
            script: self.script,
            keys: self.keys.clone(),
            arguments: self.arguments.iter().map(|argument| argument.as_ref().to_vec()).collect(),
            draft,
        }
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(self.keys.len()).arg(&self.keys[..]);
        for argument in &self.arguments {
            command.arg(argument.as_ref());
        }
        command
    }
}

/// Keys: value, draft if there is one, and lease if there is an owner. Arguments: expected mark or
/// "", time to live, and the owner if there is one. Without a draft: the new value in its place.
/// Answers 1 where the value is stored, or else the current one.
///
/// The value's mark is the caller's own where an answer was lost. The new time to live makes a
/// write of that, which replicas confirm. Each argument costs the engine a string, so there is none
/// that can be had from the draft.
pub(super) static PUT: Script = Script::comparing(
    "local call, value, draft = redis.call, KEYS[1], KEYS[2]
local evicted = 'OOM the value was evicted before it was stored'
local mark = call('GETRANGE', value, 80, 119)
if mark == ARGV[1] and (#mark == 40 or call('EXISTS', value) == 0) then
  if not draft then
    call('SET', value, ARGV[3], 'PX', ARGV[2])
  elseif call('PEXPIRE', draft, ARGV[2]) == 1 then
    call('RENAME', draft, value)
  else
    return redis.error_reply(evicted)
  end
else
  local new = draft and call('GETRANGE', draft, 80, 119) or ARGV[3]:sub(81, 120)
  if draft and call('DEL', draft) == 0 then return redis.error_reply(evicted) end
  if #mark ~= 40 or mark ~= new then return call('GET', value) end
  call('PEXPIRE', value, ARGV[2])
end
if KEYS[3] and call('GET', KEYS[3]) == ARGV[3] then
  call('DEL', KEYS[3])
end
return 1",
);

/// Keys: lease, and value if it is wanted. Arguments: owner, time to live, known mark or "", note
/// to replace or "". Answers who has it (1 the caller, 0 another owner, 2 a note), its time to
/// live, the note or "", and the value, or 1 if it is known.
///
/// A note is longer than an owner, so no note equals an owner.
pub(super) static LEASE: Script = Script::new(
    "local who, left, note = 1, 0, ''
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  local held = redis.call('GET', KEYS[1])
  if held == ARGV[1] then
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
  elseif held == ARGV[4] then
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  else
    left = redis.call('PTTL', KEYS[1])
    if #held > 16 then who, note = 2, held else who = 0 end
  end
end
local value = false
if KEYS[2] then
  if ARGV[3] ~= '' and redis.call('GETRANGE', KEYS[2], 80, 119) == ARGV[3] then
    value = 1
  else
    value = redis.call('GET', KEYS[2])
  end
end
return {who, left, note, value}",
);

/// Key: lease. Arguments: owner, note or "", its time to live.
pub(super) static RELEASE: Script = Script::new(
    "if redis.call('GET', KEYS[1]) == ARGV[1] then
  if ARGV[2] == '' then
    redis.call('DEL', KEYS[1])
  else
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  end
end
return 1",
);

/// Keys: what to remove. Arguments: channel, the key's 16 bytes.
pub(super) static REMOVE: Script = Script::new(
    "redis.call('DEL', unpack(KEYS))
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 1",
);
