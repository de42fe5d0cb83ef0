import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { DAY_MS, HOUR_MS } from "../base/units.ts";

const CA_DAYS = 3650;
/** The maximum that browsers and Apple's systems accept. */
const LEAF_DAYS = 397;
/** Tolerates clients whose clock is behind. */
const BACKDATED_MS = HOUR_MS;

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** A certificate and its private key, as PEM. */
export interface CertificateAndKey {
  cert: string;
  key: string;
}

/** A certificate authority with its signing key. */
export interface CertificateAuthority {
  cert: x509.X509Certificate;
  key: CryptoKey;
}

/** Creates a self-signed certificate authority that can sign end-entity certificates, but no further authorities. */
export async function createAuthority(name: string): Promise<CertificateAndKey> {
  const keys = await generateKeys();
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

/** Imports a certificate authority from PEM. */
export async function importAuthority({ cert, key }: CertificateAndKey): Promise<CertificateAuthority> {
  const [der] = x509.PemConverter.decode(key);
  return {
    cert: new x509.X509Certificate(cert),
    key: await crypto.subtle.importKey("pkcs8", der!, ALGORITHM, false, ["sign"]),
  };
}

type CertificateSubject =
  /** A server, with all its host names and IP addresses; the first is the common name. */
  | { hosts: readonly string[] }
  /** A client, with a display name. */
  | { client: string };

/** Issues a certificate for a server or a client, signed by `authority`. */
export async function issueCertificate(
  authority: CertificateAuthority,
  subject: CertificateSubject,
): Promise<CertificateAndKey> {
  const keys = await generateKeys();
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

/** A positive number with 126 random bits. */
function serialNumber(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes.toHex();
}

function generateKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]) as Promise<CryptoKeyPair>;
}

async function exportKey(key: CryptoKey): Promise<string> {
  return pem(x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY"));
}

function pem(text: string): string {
  return text.trimEnd() + "\n";
}
