import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { HOUR_MS } from "../base/units.ts";

const DAY_MS = 24 * HOUR_MS;
const CA_DAYS = 3650;
/** What browsers and Apple's systems accept at most. */
const LEAF_DAYS = 397;
/** Clocks of other machines may be a little behind. */
const BACKDATED_MS = HOUR_MS;

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** A certificate and its key, as PEM. */
export interface CertificateAndKey {
  cert: string;
  key: string;
}

/** A certificate authority that can sign. */
export interface CertificateAuthority {
  cert: x509.X509Certificate;
  key: CryptoKey;
}

/** Makes a certificate authority that can sign certificates of others and no further authorities. */
export async function createAuthority(name: string): Promise<CertificateAndKey> {
  const keys = await makeKeys();
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: [{ CN: [name] }],
    ...validFor(CA_DAYS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: pem(cert.toString("pem")), key: await exportKey(keys.privateKey) };
}

/** The authority that was kept as PEM. */
export async function importAuthority({ cert, key }: CertificateAndKey): Promise<CertificateAuthority> {
  const [der] = x509.PemConverter.decode(key);
  return {
    cert: new x509.X509Certificate(cert),
    key: await crypto.subtle.importKey("pkcs8", der!, ALGORITHM, false, ["sign"]),
  };
}

type CertificateSubject =
  /** A server, under every name and address it is reached by; the first is its common name. */
  | { hosts: readonly string[] }
  /** A client, by a name that is for people. */
  | { client: string };

/** Makes a certificate of one server or client, signed by `authority`. */
export async function issueCertificate(
  authority: CertificateAuthority,
  subject: CertificateSubject,
): Promise<CertificateAndKey> {
  const keys = await makeKeys();
  const isServer = "hosts" in subject;
  const usage = isServer ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth;
  const commonName = isServer ? subject.hosts[0]! : subject.client;
  const cert = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: [{ CN: [commonName] }],
    issuer: authority.cert.subjectName.toJSON(),
    ...validFor(LEAF_DAYS),
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey: authority.key,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([usage]),
      new x509.SubjectAlternativeNameExtension(
        isServer ? subject.hosts.map(generalName) : [{ type: "dns", value: subject.client }],
      ),
      await x509.AuthorityKeyIdentifierExtension.create(authority.cert),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: pem(cert.toString("pem")), key: await exportKey(keys.privateKey) };
}

function generalName(host: string): x509.JsonGeneralName {
  const isIp = host.includes(":") || /^\d+(\.\d+){3}$/.test(host);
  return { type: isIp ? "ip" : "dns", value: host };
}

function validFor(days: number): { notBefore: Date; notAfter: Date } {
  const from = Date.now() - BACKDATED_MS;
  return { notBefore: new Date(from), notAfter: new Date(from + days * DAY_MS) };
}

/** Positive, and with 127 random bits not to be guessed. */
function serialNumber(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes.toHex();
}

function makeKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]) as Promise<CryptoKeyPair>;
}

async function exportKey(key: CryptoKey): Promise<string> {
  return pem(x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY"));
}

function pem(text: string): string {
  return text.trimEnd() + "\n";
}
