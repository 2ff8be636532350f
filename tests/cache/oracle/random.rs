//! Random sign-ins, searches and changes, from a seed.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

/// One step that both caches can take.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Add { event: Value, now: u64 },
    Search { kind: &'static str, query: Map<String, Value>, target: Option<Vec<&'static str>> },
    Update { query: Map<String, Value>, nth: usize, secret: String, now: u64 },
    Modify { kind: &'static str, nth: usize, changes: Map<String, Value> },
    Remove { kind: &'static str, as_kind: &'static str, query: Map<String, Value>, nth: usize },
    Reload,
}

/// `SplitMix64`.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub(crate) fn step(&mut self) -> Step {
        match self.below(20) {
            0..8 => Step::Add { event: self.event(), now: 1_000 + self.next() % 5 },
            8..14 => Step::Search {
                kind: self.pick(&KINDS),
                query: self.query(),
                target: (!self.one_in(3)).then(|| self.scopes()),
            },
            14..16 => Step::Update {
                query: self.query(),
                nth: self.below(2),
                secret: self.secret(),
                now: 2_000 + self.next() % 5,
            },
            16 => {
                let mut changes = Map::new();
                let values = [json!(null), json!("1"), json!("zwölf"), json!("\u{1F511} \\ \" /")];
                for _ in 0..=self.below(2) {
                    let name = self.pick(&["secret", "family_id", "note", "größe"]);
                    changes.insert(name.to_owned(), values[self.below(4)].clone());
                }
                Step::Modify { kind: self.pick(&KINDS), nth: self.below(3), changes }
            }
            17..19 => {
                let kind = self.pick(&KINDS[..4]);
                let as_kind = if self.one_in(6) { self.pick(&KINDS[..4]) } else { kind };
                Step::Remove { kind, as_kind, query: self.query(), nth: self.below(2) }
            }
            _ => Step::Reload,
        }
    }

    fn scopes(&mut self) -> Vec<&'static str> {
        (0..self.below(4)).map(|_| self.pick(&SCOPES)).collect()
    }

    fn secret(&mut self) -> String {
        format!(
            "{}{}",
            self.pick(&["secret", "geheim ä ", "\u{7f}\t\u{1F511}\"\\/"]),
            self.next() % 9
        )
    }

    fn query(&mut self) -> Map<String, Value> {
        let mut query = Map::new();
        if self.one_in(3) {
            for (name, value) in USUAL {
                query.insert(name.to_owned(), value.into());
            }
            return query;
        }
        let pools: [(&str, &[&str]); 9] = [
            ("home_account_id", &HOMES),
            ("environment", &HOSTS),
            ("client_id", &CLIENTS),
            ("realm", &REALMS),
            ("key_id", &["1", "k"]),
            ("ext_cache_key", &["p-g2v6jpksbz9f04zllk3-z9avbno9k9ksmgp7cqxfq", ""]),
            ("family_id", &["1", "2"]),
            ("username", &["", "Jürgen"]),
            ("credential_type", &["AccessToken", "accesstoken"]),
        ];
        let odds = self.pick(&[2, 4, 100]);
        for (nth, (name, values)) in pools.into_iter().enumerate() {
            let is_place = nth < 4;
            let wanted = if is_place { !self.one_in(odds) || odds == 100 } else { self.one_in(9) };
            if wanted && !(odds == 100 && !is_place && nth > 5) && !(odds < 100 && self.one_in(2)) {
                let value = if self.one_in(8) { Value::Null } else { self.pick(values).into() };
                query.insert(name.to_owned(), value);
            }
        }
        query
    }

    fn event(&mut self) -> Value {
        let mut event = Map::new();
        let mut set = |random: &mut Self, odds: usize, name: &str, value: Value| {
            if !random.one_in(odds) {
                event.insert(name.to_owned(), value);
            }
        };
        let client = if self.one_in(12) { Value::Null } else { self.pick(&CLIENTS).into() };
        set(self, 20, "client_id", client);
        let scopes = if self.one_in(9) { Value::Null } else { json!(self.scopes()) };
        set(self, 12, "scope", scopes);
        let endpoint =
            if self.one_in(14) { self.pick(&BAD_ENDPOINTS) } else { self.pick(&ENDPOINTS) };
        set(self, 12, "token_endpoint", endpoint.into());
        if self.one_in(3) {
            let host = if self.one_in(9) { Value::Null } else { self.pick(&HOSTS).into() };
            set(self, 12, "environment", host);
        }
        let response = self.response();
        set(self, 30, "response", response);
        let data = self.data();
        set(self, 2, "data", data);
        let grant =
            self.pick(&["authorization_code", "password", "refresh_token", "user_fic", "x"]);
        set(self, 3, "grant_type", grant.into());
        if self.one_in(4) {
            set(self, 3, "username", "event user".into());
            set(self, 3, "_account_id", "mid-tier".into());
            let kind = self.pick(&["CLOUDSHELL", "ADFS"]);
            set(self, 3, "authority_type", kind.into());
        }
        if self.one_in(5) {
            let skip = self.one_in(2);
            set(self, 9, "skip_account_creation", skip.into());
        }
        if self.one_in(2) {
            event.insert("client_id".to_owned(), CLIENTS[0].into());
            event.insert("token_endpoint".to_owned(), ENDPOINTS[0].into());
            event.insert("scope".to_owned(), json!(self.scopes()));
            event.remove("environment");
            if let Some(Value::Object(response)) = event.get_mut("response") {
                let info = URL_SAFE_NO_PAD.encode(r#"{"uid": "uid", "utid": "utid"}"#);
                response.insert("client_info".to_owned(), info.into());
            }
        }
        Value::Object(event)
    }

    fn response(&mut self) -> Value {
        let mut response = Map::new();
        let mut set = |name: &str, value: Value| response.insert(name.to_owned(), value);
        if !self.one_in(4) {
            set("access_token", if self.one_in(15) { "".into() } else { self.secret().into() });
        }
        if self.one_in(2) {
            set("refresh_token", self.secret().into());
        }
        if self.one_in(2) {
            let values = [json!("Bearer"), json!("bearer"), json!(""), json!(null), json!(5)];
            set("token_type", values[self.below(5)].clone());
        }
        self.times(&mut response);
        let mut set = |name: &str, value: Value| response.insert(name.to_owned(), value);
        if self.one_in(3) {
            let values = [json!("1"), json!("2"), json!(null), json!(1), json!(false)];
            let nth = if self.one_in(9) { self.below(5) } else { self.below(2) };
            set("foci", values[nth].clone());
        }
        if self.one_in(2) {
            let info = [
                json!({"uid": "uid", "utid": "utid"}),
                json!({"uid": "UID", "utid": "utid", "more": 1}),
                json!({"uid": "oid-b2c_1_policy", "utid": "ü"}),
                json!({"uid": "uid"}),
                json!({"uid": 7, "utid": "utid"}),
                json!({}),
                json!([]),
                json!("uid"),
            ];
            let encoded = URL_SAFE_NO_PAD.encode(info[self.below(8)].to_string());
            let padding = self.pick(&["", "", "=", "=="]);
            set(
                "client_info",
                if self.one_in(15) { "%%%".into() } else { (encoded + padding).into() },
            );
        }
        let claims = [
            json!({"sub": "subject", "oid": "object", "preferred_username": "Jürgen"}),
            json!({"sub": "subject", "upn": "upn@example.com"}),
            json!({"sub": "Other", "preferred_username": null, "upn": "hidden"}),
            json!({"sub": "sub", "oid": null, "preferred_username": ""}),
            json!({"oid": "no-sub"}),
            json!({}),
        ];
        let nth = if self.one_in(3) { self.below(6) } else { self.below(4) };
        if self.one_in(2) {
            let payload = URL_SAFE_NO_PAD.encode(claims[nth].to_string());
            let token = format!("{}.{payload}.signature", URL_SAFE_NO_PAD.encode("{}"));
            set("id_token", if self.one_in(20) { "no dots".into() } else { token.into() });
        }
        if self.one_in(6) {
            set("id_token_claims", claims[nth].clone());
        }
        Value::Object(response)
    }

    /// Times that both read, or both refuse.
    fn times(&mut self, response: &mut Map<String, Value>) {
        let mut set = |name: &str, value: Value| response.insert(name.to_owned(), value);
        let is_odd = self.one_in(8);
        let has_lifetime = !self.one_in(3);
        if has_lifetime {
            let odd = [json!("x"), json!("3600.5"), json!(""), json!([]), json!({"a": 1})];
            let values = [
                json!(3600),
                json!("3599"),
                json!(" 6_0 "),
                json!(0),
                json!(-5),
                json!(3600.9),
                json!(true),
                json!(1e10),
                json!("+60"),
            ];
            let value = if is_odd { &odd[self.below(5)] } else { &values[self.below(9)] };
            set("expires_in", value.clone());
        }
        if self.one_in(4) {
            let values = [json!(9_000), json!("9001"), json!(""), json!(null), json!(0)];
            let value = match (has_lifetime, is_odd) {
                (true, true) => json!(null),
                (false, true) => json!("soon"),
                _ => values[self.below(5)].clone(),
            };
            set("expires_on", value);
        }
        if self.one_in(3) {
            let values = [json!(7200), json!("7300"), json!(7200.5), json!(false)];
            set("ext_expires_in", values[self.below(4)].clone());
        }
        if self.one_in(3) {
            set("refresh_in", [json!(1800), json!(-1), json!(true)][self.below(3)].clone());
        }
    }

    fn data(&mut self) -> Value {
        let mut data = Map::new();
        for (name, value) in [
            ("key_id", json!("1")),
            ("key_id", json!("k")),
            ("x", json!(1)),
            ("fmi_path", json!("Some/Path")),
            ("flag", json!(true)),
            ("nothing", json!("")),
            ("none", json!(null)),
            ("large", json!(18_446_744_073_709_551_615u64)),
            ("größe", json!("ü")),
            ("username", json!("data user")),
            ("password", json!("never stored")),
            ("claims", json!({"nested": [1, 2.5]})),
        ] {
            if self.one_in(9) {
                data.insert(name.to_owned(), value);
            }
        }
        Value::Object(data)
    }
}

/// Where half of the sign-ins belong, so that searches meet several entries.
const USUAL: [(&str, &str); 4] = [
    ("home_account_id", HOMES[0]),
    ("environment", HOSTS[1]),
    ("client_id", CLIENTS[0]),
    ("realm", REALMS[0]),
];
const KINDS: [&str; 5] = ["AccessToken", "RefreshToken", "IdToken", "Account", "AppMetadata"];
const SCOPES: [&str; 8] =
    ["s1", "s2", "S1", "openid", "https://api/.default", "größe", "a b", "\u{1F511}"];
const HOMES: [&str; 6] = ["uid.utid", "UID.utid", "subject", "Other", "oid-b2c_1_policy.ü", "sub"];
const HOSTS: [&str; 4] =
    ["login.example.com", "Login.Example.com", "sts.windows.net", "ünder.example"];
const CLIENTS: [&str; 3] = ["client", "CLIENT", "other-client"];
const REALMS: [&str; 5] = ["contoso", "Contoso", "adfs", "tfp", "fabrikam.onmicrosoft.com"];
const ENDPOINTS: [&str; 9] = [
    "https://login.example.com/contoso/oauth2/v2.0/token",
    "https://LOGIN.example.com:443/Contoso/oauth2/v2.0/token?x=y",
    "https://sts.windows.net/contoso",
    "https://fs.example.com/adfs/oauth2/token",
    "https://fs.example.com/ADFS/oauth2/token",
    "https://fabrikam.ciamlogin.com/",
    "https://fabrikam.ciamlogin.com/tenant/oauth2/v2.0/token",
    "https://fabrikam.b2clogin.com/tfp/fabrikam.onmicrosoft.com/policy",
    "https://login.example.com/contoso;v=1",
];
// Without those that one of the two refuses: docs/COMPATIBILITY.md lists them.
const BAD_ENDPOINTS: [&str; 4] = ["http://login.example.com/contoso", "contoso", "https:///x", ""];
