import { SURROUNDED } from "./surrounded_secrets.ts";

/** A secret in a text, by the positions of its characters. */
export interface Span {
  start: number;
  end: number;
  kind: string;
}

const API_KEY = "an API key";

const END = String.raw`(?![A-Za-z0-9_])`;

/** Tokens as their issuers document them. Each begins with a fixed text, so that a search takes linear time. */
const TOKENS: readonly [kind: string, pattern: string][] = [
  ["an AWS access key", String.raw`\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}${END}`],
  ["a GitHub token", String.raw`\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255})`],
  ["a GitLab token", String.raw`\b(?:glpat|gldt|glrt|glcbt|glptt|glft|glsoat)-[A-Za-z0-9_.-]{20,300}`],
  ["a Slack token", String.raw`\bxox[abeoprs]-[A-Za-z0-9-]{10,250}|\bxapp-\d-[A-Za-z0-9-]{10,250}`],
  ["a Slack webhook", String.raw`hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9+/]{20,120}`],
  ["a Discord webhook", String.raw`discord(?:app)?\.com/api/webhooks/\d{15,25}/[A-Za-z0-9_-]{40,100}`],
  [API_KEY, String.raw`\bsk-(?:proj-|svcacct-|admin-|ant-|or-v1-|lf-|live-)?[A-Za-z0-9_-]{32,250}`],
  ["a Google API key", String.raw`\bAIza[A-Za-z0-9_-]{35}${END}`],
  ["a Google OAuth secret", String.raw`\b(?:GOCSPX-[A-Za-z0-9_-]{20,60}|ya29\.[A-Za-z0-9_-]{30,300})`],
  [
    "a Stripe key",
    String.raw`\b(?:[sr]k_(?:live|test|prod)_[A-Za-z0-9]{16,250}|whsec_[A-Za-z0-9+/=]{24,100})`,
  ],
  ["an npm token", String.raw`\bnpm_[A-Za-z0-9]{36}${END}`],
  ["a PyPI token", String.raw`\bpypi-AgE[A-Za-z0-9_-]{50,500}`],
  ["a Hugging Face token", String.raw`\b(?:hf|api_org)_[A-Za-z0-9]{30,60}${END}`],
  ["a SendGrid key", String.raw`\bSG\.[A-Za-z0-9_-]{16,40}\.[A-Za-z0-9_-]{30,60}`],
  ["a Telegram token", String.raw`\b\d{8,10}:AA[A-Za-z0-9_-]{33}${END}`],
  ["an xAI or Groq key", String.raw`\b(?:xai-[A-Za-z0-9]{60,120}|gsk_[A-Za-z0-9]{40,80})`],
  ["a DigitalOcean token", String.raw`\bdo[opr]_v1_[a-f0-9]{64}`],
  ["a Shopify token", String.raw`\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}`],
  ["a Square token", String.raw`\b(?:sq0(?:atp|csp)-[A-Za-z0-9_-]{22,60}|EAAA[A-Za-z0-9_-]{60})`],
  ["a Databricks token", String.raw`\bdapi[a-f0-9]{32}${END}`],
  ["a Vault token", String.raw`\bhv[sbr]\.[A-Za-z0-9_-]{24,250}`],
  ["a Mailgun key", String.raw`\bkey-[a-f0-9]{32}${END}`],
  ["a Linear or Notion key", String.raw`\b(?:lin_api_[A-Za-z0-9]{32,60}|ntn_[A-Za-z0-9]{40,60})`],
  [API_KEY, String.raw`\b(?:r8_[A-Za-z0-9]{37}|pplx-[A-Za-z0-9]{40,60}|NRAK-[A-Z0-9]{27})${END}`],
  // Of GLM (Zhipu).
  [API_KEY, String.raw`\b[a-f0-9]{32}\.[A-Za-z0-9]{16}${END}`],
  ["a Figma or Atlassian token", String.raw`\b(?:figd_[A-Za-z0-9_-]{40,60}|ATATT3[A-Za-z0-9_=-]{50,250})`],
  ["a Docker or RubyGems token", String.raw`\b(?:dckr_[po]at_[A-Za-z0-9_-]{27,60}|rubygems_[a-f0-9]{48})`],
  ["a Doppler or Pulumi token", String.raw`\b(?:dp\.[a-z]{2,6}\.[A-Za-z0-9]{40,44}|pul-[a-f0-9]{40})${END}`],
  [
    "a HashiCorp or Fly token",
    String.raw`\b(?:[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{60,70}|fm[12]_[A-Za-z0-9+/=_-]{60,1000})`,
  ],
  ["a database token", String.raw`\b(?:sbp_[a-f0-9]{40}|pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_.-]{32,64})`],
  ["a Postman key", String.raw`\bPMAK-[a-f0-9]{24}-[a-f0-9]{34}`],
  ["a Twilio key", String.raw`\bSK[a-f0-9]{32}${END}`],
  ["a Discord token", String.raw`\b[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}`],
  ["a Teams webhook", String.raw`/IncomingWebhook/[a-f0-9]{32}`],
  ["an Azure storage key", String.raw`AccountKey=[A-Za-z0-9+/]{80,100}={0,2}`],
  [
    "a JSON web token",
    String.raw`\beyJ[A-Za-z0-9_-]{10,4000}\.eyJ[A-Za-z0-9_-]{10,8000}\.[A-Za-z0-9_-]{10,2000}`,
  ],
];

const TOKEN = new RegExp(TOKENS.map(([, pattern], i) => `(?<k${i}>${pattern})`).join("|"), "g");

/** Finds tokens, passwords and other secrets in `text`, but no private keys. */
export function findTokens(text: string): Span[] {
  const spans = matches(text, TOKEN, kindOfToken);
  for (const { kind, pattern, isSecret } of SURROUNDED) {
    spans.push(...matches(text, pattern, (match) => isSecret(valueOf(match)) ? kind : undefined));
  }
  return spans;
}

/** Finds the secrets among the matches of `pattern`; `kindOf` tells those that are none. */
export function matches(
  text: string,
  pattern: RegExp,
  kindOf: (match: RegExpExecArray) => string | undefined,
): Span[] {
  const spans: Span[] = [];
  for (const match of text.matchAll(pattern)) {
    const kind = kindOf(match);
    if (kind === undefined) continue;
    const value = valueOf(match);
    const start = match.index + match[0].lastIndexOf(value);
    spans.push({ start, end: start + value.length, kind });
  }
  return spans;
}

/** The part of a match that is replaced: of an assignment or a URL only the value. */
function valueOf({ 0: whole, groups }: RegExpExecArray): string {
  return groups?.value ?? groups?.bare ?? whole;
}

function kindOfToken(match: RegExpExecArray): string | undefined {
  const { groups = {} } = match;
  const index = TOKENS.findIndex((_, i) => groups[`k${i}`] !== undefined);
  const kind = TOKENS[index]![0];
  // Names such as sk-learn-… have no digits.
  return kind === API_KEY && !/\d.*\d/.test(match[0]) ? undefined : kind;
}
