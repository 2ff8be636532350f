//! The scripts, each of which is one step of the engine.

use std::sync::OnceLock;

use redis::Cmd;

/// A script and its digest.
pub(super) struct Script {
    text: &'static str,
    digest: OnceLock<String>,
}

impl Script {
    const fn new(text: &'static str) -> Self {
        Self { text, digest: OnceLock::new() }
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

    /// The same call, for another task.
    pub(super) fn to_owned(&self) -> ScriptCall<Vec<u8>> {
        ScriptCall {
            script: self.script,
            keys: self.keys.clone(),
            arguments: self.arguments.iter().map(|argument| argument.as_ref().to_vec()).collect(),
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

/// Keys: value, and lease if there is an owner. Arguments: expected mark or "", value, time to
/// live, owner. Answers 1 where the value is stored, or else the current one.
///
/// The value's mark is the caller's own where an answer was lost. The new time to live makes a
/// write of that, which replicas confirm.
pub(super) static PUT: Script = Script::new(
    "local stored
if ARGV[1] == '' then
  stored = redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3], 'NX')
end
if not stored then
  local mark = redis.call('GETRANGE', KEYS[1], 80, 119)
  if #mark == 40 and mark == ARGV[1] then
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  elseif #mark == 40 and mark == string.sub(ARGV[2], 81, 120) then
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
  else
    return redis.call('GET', KEYS[1])
  end
end
if KEYS[2] and redis.call('GET', KEYS[2]) == ARGV[4] then
  redis.call('DEL', KEYS[2])
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
