/** The nouns of the API. Times are RFC 3339, ids are ULIDs. */

export type Trust = 'paired' | 'pinned' | 'plain';
export type Mode = 'continuous' | 'event' | 'off';
export type Phase = 'connecting' | 'streaming' | 'waiting' | 'refused' | 'off';

export interface Setup {
  claimed: boolean;
  lan: boolean;
  name: string;
}

export interface Enrolment {
  totp_uri: string;
  totp_secret: string;
  recovery_codes: string[];
}

export interface User {
  id: string;
  name: string;
  role: 'owner' | 'member' | 'viewer';
}

export interface Session {
  user: User;
  expires: string;
  recovery_code_used?: boolean;
}

export interface Grant {
  id: string;
  user: string;
  kind: 'passphrase' | 'device';
  label: string;
  created: string;
  /** Only among the grants of the signed-in person. */
  wrapped?: string;
}

export interface Vault {
  id: string;
  name: string;
  type: 'hybrid' | 'x25519';
  recipient: string;
  default: boolean;
  created: string;
  grants?: Grant[];
}

export interface Track {
  codec: string;
  width?: number;
  height?: number;
  fps?: number;
  channels?: number;
  sample_rate?: number;
}

export interface Probe {
  tracks: Track[];
  skipped?: string[];
  trust: Trust;
  fingerprint?: string;
  mime: string;
  /** Base64 of an init segment and one part. */
  picture: string;
}

export interface CameraState {
  phase: Phase;
  since: string;
  detail: string;
}

export interface Camera {
  id: string;
  name: string;
  url: string;
  user?: string;
  trust: Trust;
  mode: Mode;
  audio: boolean;
  vault: string | null;
  position: number;
  preroll_ms: number;
  postroll_ms: number;
  retention_days: number | null;
  retention_bytes: number | null;
  transport: string;
  fingerprint?: string;
  state: CameraState;
  fps: number;
  bitrate: number;
  width: number;
  height: number;
  codecs: string[];
  skipped?: string[];
  recording: { active: boolean; reason?: string; clip?: string };
  usage: { bytes: number; oldest?: string | null };
}

export interface Timeline {
  camera: string;
  from: string;
  to: string;
  step: number;
  spans: { start: string; end: string }[];
  gaps: { start: string; end?: string | null; reason: string; detail?: string }[];
  events: { id: string; kind: string; start: string; end?: string | null; labels?: string[] }[];
  buckets: { start: string; seconds: number; events: number }[];
}

export interface ClipRow {
  id: string;
  camera: string;
  start: string;
  end: string;
  bytes: number;
  torn: boolean;
  open: boolean;
}

export interface Clip extends ClipRow {
  vault: string;
  mime: string;
  header_bytes: number;
  init_bytes: number;
  complete: boolean;
  parts: { start: string; offset: number; key: boolean }[];
}

export interface Health {
  version: string;
  uptime: number;
  disk: { path: string; free: number; total: number; state: string };
  alarms: { code: string; detail: string; since: string }[];
  forecast_days?: number | null;
}

export interface Settings {
  retention_days: number;
  retention_bytes: number;
  min_free_bytes: number;
}

export interface Authority {
  fingerprint: string;
  not_after: string;
  name: string;
}
