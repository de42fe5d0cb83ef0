import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { replaceSecrets } from "../lib/tool/material/secrets.ts";
import { notWorthReading } from "../lib/workspace/worth_reading.ts";

function clean(text: string, { keysOnly = false } = {}): string {
  return replaceSecrets(text, { keysOnly }).text;
}

const BODY = `${"MIIEow1B".repeat(8)}\n${"Zz09+/aB".repeat(8)}\n`;

/** Made from parts, so that no scanner takes this file for a leak. */
const TOKENS: readonly string[] = [
  "AKIA" + "Q3R5".repeat(4),
  "ghp_" + "a1B2".repeat(9),
  "github_pat_" + "11A_".repeat(12),
  "glpat-" + "x1Y2z".repeat(4),
  "xoxb-" + "123456789012-abcdefABCDEF",
  "sk-proj-" + "aB3_".repeat(10),
  "sk-ant-api03-" + "aB3d".repeat(20),
  "sk-or-v1-" + "0a1b".repeat(16),
  "sk-" + "0a1b2c3d".repeat(4),
  "AIza" + "SyA1b2C".repeat(5),
  "sk_live_" + "4eC39HqLyjWDarjtT1",
  "npm_" + "a1B2c3".repeat(6),
  "hf_" + "aBcDeFgHiJ".repeat(3) + "kLmn",
  "SG." + "a1B2c3D4e5F6g7H8".repeat(1) + "." + "a1B2c3D4".repeat(5),
  "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0." + "dozjgNryP4J3jVmNHl0w5N",
  "123456789:AA" + "a1B2c3D4e5F".repeat(3),
  "xai-" + "a1B2c3D4".repeat(10),
  "0a1b2c3d".repeat(4) + "." + "a1B2c3D4".repeat(2),
  "r8_" + "a1B2c3D4e5F6g7H8".repeat(2) + "a1B2c",
  "pplx-" + "a1B2c3D4".repeat(6),
  "figd_" + "a1B2c3D4".repeat(5),
  "ATATT3" + "a1B2c3D4".repeat(8),
  "dckr_pat_" + "a1B2c3D4e".repeat(3),
  "dp.pt." + "a1B2c3D4".repeat(5) + "abc",
  "sbp_" + "0a1b2c3d".repeat(5),
  "PMAK-" + "0a1b2c3d".repeat(3) + "-" + "0a1b2c3d".repeat(4) + "0a",
  "SK" + "0a1b2c3d".repeat(4),
];

Deno.test("the tokens of well-known issuers are replaced, and nothing around them", () => {
  for (const token of TOKENS) {
    const text = `before "${token}" after`;
    assertEquals(
      /^before "\[not shown: an? [^\]]+\]" after$/.test(clean(text)),
      true,
      `${token}: ${clean(text)}`,
    );
    assertEquals(clean(text, { keysOnly: true }), text);
  }
});

Deno.test("a secret that is set is replaced, its name is not; the password in a URL is, the rest of it is not", () => {
  assertEquals(
    clean("API_KEY=9f8e7d6c5b4a39281706f5e4d3c2b1a0\n"),
    "API_KEY=[not shown: a secret that is set]\n",
  );
  const awsKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY";
  const set: Record<string, string> = {
    [`aws_secret_access_key = ${awsKey}`]: "aws_secret_access_key = [not shown: a secret that is set]",
    "SECRET_KEY = 'django-#k3x$9@f!q2w8e7'": "SECRET_KEY = '[not shown: a secret that is set]'",
    "  POSTGRES_PASSWORD: hunter2": "  POSTGRES_PASSWORD: [not shown: a password that is set]",
    "DB_PASSWORD=hunter2\n": "DB_PASSWORD=[not shown: a password that is set]\n",
    "Authorization: Bearer 9f8e7d6c5b4a39281706f5e4":
      "Authorization: Bearer [not shown: credentials of a request]",
  };
  for (const [text, shown] of Object.entries(set)) assertEquals(clean(text), shown);
  assertEquals(clean("postgres://app:h4nter2x@db/x"), "postgres://app:[not shown: a password in a URL]@db/x");
});

Deno.test("a secret is found in the forms that files, commands and logs have", () => {
  const value = "Tr0ub" + "4dor9x";
  const random = "9f8e7d6c5b4a3928" + "1706f5e4";
  const forms: readonly string[] = [
    `  "password": "${value}"`,
    `{"x":1,"passphrase":"${value}","y":2}`,
    `db:\n  password: ${value}`,
    `+spring.datasource.password=${value}`,
    `[db]\npassword = ${value}`,
    `const dbPassword = '${value}';`,
    `connect(user="a", passwd="${value}")`,
    JSON.stringify({ source: [`password = "${value}"\n`] }),
    `<server><password>${value}</password></server>`,
    `"Server=tcp:x;User Id=sa;Password=${value};Encrypt=True"`,
    `jdbc:mysql://h/db?user=root&password=${value}`,
    `ENV DB_PASSWORD ${value}`,
    `PGPASSWORD=${value} psql -h x`,
    `{"name":"DB_PASSWORD","value":"${value}"}`,
    `- name: DB_PASSWORD\n  value: ${value}`,
    `machine h login me password ${value}`,
    `curl -s -u admin:${value} https://h/`,
    `mysqldump -uroot -p${value} db`,
    `ConvertTo-SecureString "${value}" -AsPlainText`,
    `postgres://u:p@ss${value}@db/x`,
    `GET /x?access_token=${random}&u=1 200`,
    `https://b.s3.amazonaws.com/k?X-Amz-Signature=${random}&X-Amz-Expires=1`,
    `curl -H 'X-Api-Key: ${random}' https://x`,
    `Authorization: Token ${random}`,
    `Cookie: session=${random}; path=/`,
    `{"text":"{\\"api_key\\": \\"${random}\\"}"}`,
    `https://${random}:x-oauth-basic@github.com/a/b`,
  ];
  for (const text of forms) {
    const shown = clean(text);
    assertEquals([value, random].some((secret) => shown.includes(secret)), false, shown);
    assertEquals(shown.split("\n").length, text.split("\n").length);
  }
});

Deno.test("code that only speaks of secrets stays as it is", () => {
  const lines = [
    "token: process.env.GITHUB_TOKEN_VALUE_1",
    "const token = createTokenFromRequest123(x)",
    'import { tokens } from "./tokens.ts"',
    "postgres://user:password@localhost/db",
    "API_KEY=your-api-key-goes-here-1234",
    'apiKey: "${API_KEY_FROM_VAULT_0123}"',
    "password = hash(password, salt)",
    "https://x-access-token:$TOKEN@github.com/a/b",
    "https://u:[secret]@w.example/mcp",
    '"OAUTH_REDIRECT_URI": "http://localhost:8080/callback"',
    "MAX_TOKEN=100000",
    "TOKEN_LIMIT=4096",
    "DB_PASSWORD=password",
    "const API_TOKEN = readToken();",
    "  API_TOKEN: apiToken,",
    'const secret = "${await vault.read(1234567)}";',
    "auth: Bearer <token>",
    "password = password2",
    "  password: config.password2",
    "PWD=/home/user1/src",
    'pwd = "/home/user1/src"',
    "login(user1, password)",
    "curl -u admin:$PASSWORD1 https://h/",
    'name: "token", value: "none"',
    "https://h/?code=authorization_code",
    "sk-learn-is-a-library-for-machine-learning",
    '"auth": "oauth2.client.v2.provider"',
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
  ];
  for (const line of lines) assertEquals(clean(line), line);
});

Deno.test("private keys in every form are replaced, also in files the caller named", () => {
  const kinds = [
    "RSA PRIVATE KEY",
    "PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
    "OPENSSH PRIVATE KEY",
    "EC PRIVATE KEY",
  ];
  for (const kind of [...kinds, "PGP PRIVATE KEY BLOCK"]) {
    const key = `-----BEGIN ${kind}-----\n${BODY}-----END ${kind}-----`;
    const forms: Record<string, string> = {
      plain: key,
      "with line ends of Windows": key.replaceAll("\n", "\r\n"),
      "in JSON": JSON.stringify({ private_key: key }),
      "indented in YAML": key.replaceAll(/^/gm, "    "),
      "in a diff": key.replaceAll(/^/gm, "+"),
      "in base64": `tls.key: ${btoa(key)}`,
      "in base64, in lines": btoa(key).replaceAll(/.{76}/g, "$&\n"),
      "cut at its end": key.slice(0, -20),
      "cut at its beginning": key.slice(40),
      "in code": `"${key.replaceAll("\n", '\\n" +\n"')}"`,
    };
    for (const [form, text] of Object.entries(forms)) {
      const shown = clean(`first\n${text}\nlast`, { keysOnly: true });
      assertEquals(/MIIEow1B|Zz09|TUlJRW93MUJN/.test(shown), false, `${kind} ${form}: ${shown}`);
      assertEquals(
        [shown.startsWith("first\n"), shown.endsWith("\nlast")],
        [true, true],
        `${kind} ${form}: ${shown}`,
      );
      assertEquals(
        shown.split("\n").length,
        text.split("\n").length + 2,
        "the lines after it keep their numbers",
      );
    }
  }
  assertStringIncludes(clean(`AGE-SECRET-KEY-1${"QZ7X".repeat(15)}`, { keysOnly: true }), "a private key");
});

Deno.test("code that looks for private keys is shown, but for the borders in it", () => {
  const code = [
    'const begin = "-----BEGIN PRIVATE KEY-----";',
    "if (!text.startsWith(begin)) throw new Error(`${path} is no key`);",
    'const end = "-----END PRIVATE KEY-----";',
    "return text.slice(begin.length, -end.length);",
  ];
  const shown = clean(code.join("\n"));
  for (const line of [code[1]!, code[3]!]) assertStringIncludes(shown, line);
});

Deno.test("looking for secrets takes time linear in the text, whatever is in it", () => {
  const texts = [
    "-----BEGIN RSA PRIVATE KEY-----\n",
    "-----END RSA PRIVATE KEY-----\n",
    "-----BEGIN ",
    "eyJaaaaaaaaaa.",
    "token=",
    "a://b:",
    "-",
    "PuTTY-User-Key-File-2: \na\na\na\na\n",
    "password: ",
    "curl -u ",
    "name: a_token, ",
    "?sig=",
    " ",
  ];
  for (const part of texts) {
    const started = performance.now();
    clean(part.repeat(Math.ceil(1_000_000 / part.length)));
    assert(performance.now() - started < 1500, part);
  }
});

Deno.test("names of secrets are known wherever they lie, and names that only look alike are not taken for them", () => {
  const secrets = [
    ".env",
    ".ENV.local",
    "a/b/.env.production",
    "prod.env",
    "id_rsa",
    "id_ed25519_work",
    "x.pem",
  ]
    .concat([
      "certs/tls.KEY",
      "a.p12",
      ".npmrc",
      ".netrc",
      "_netrc",
      ".aws/config",
      ".ssh/known_hosts",
      "x.tfstate",
    ])
    .concat([
      ".docker/config.json",
      ".kube/config",
      "client_secret_123.json",
      "service-account.json",
      "secrets.yaml",
    ])
    .concat([
      "app/config/secrets.yml",
      "k8s-secret.yaml",
      ".git-credentials",
      "credentials",
      "x.kdbx",
      ".bash_history",
      ".env~",
      "server.pem.bak",
      "id_rsa (copy)",
      ".htpasswd.old",
      "terraform.tfstate.1700000000.backup",
      "key.pem.txt",
      "krb5.keytab",
      "my-firebase-adminsdk-x1.json",
      ".config/gh/hosts.yml",
      "rclone.conf",
      "private_key",
      "api_key.txt",
    ]);
  for (const path of secrets) assertEquals(notWorthReading(path), "secret", path);
  const others = [
    ".env.example",
    ".env.local.sample",
    "env.ts",
    "environment.ts",
    "id_generator.ts",
    "id_rsa.pub",
  ]
    .concat([
      "secrets.ts",
      "secret_manager.py",
      "keyboard.ts",
      "monkey",
      "credentials.go",
      "pem.rs",
      "token.ts",
      "tokens.json",
      "pass.txt",
      "key.ts.bak",
      "config (1).json",
    ]);
  for (const path of others) assertEquals(notWorthReading(path), undefined, path);
  assertEquals(notWorthReading("node_modules/x/index.js"), "directory");
});
