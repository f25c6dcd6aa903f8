/** The nouns of the API, named for use in the app. Times are RFC 3339, ids are ULIDs. */
import type { components } from './schema';

type Schemas = components['schemas'];

/** The document of the API cannot say that a reference may be null. */
type Nullable<T, K extends keyof T> = Omit<T, K> & { [P in K]: T[P] | null };

export type Access = Schemas['Access'];
export type Approval = Schemas['Approval'];
export type Authority = Schemas['CA'];
export type Camera = Nullable<Schemas['Camera'], 'sub' | 'pairing' | 'isolation'>;
export type Candidate = Schemas['Candidate'];
export type Clip = Schemas['ClipDetail'];
export type ClipRow = Schemas['Clip'];
export type DeviceSession = Schemas['DeviceSession'];
export type CameraLane = Schemas['Lane'];
export type Check = Schemas['Check'];
export type CameraCondition = Schemas['CameraCondition'];
export type Enrolment = Schemas['Enrolment'];
export type Event = Schemas['Event'];
export type Grant = Schemas['Grant'];
export type Health = Schemas['Health'];
export type Imaging = Nullable<Schemas['Imaging'], 'brightness' | 'contrast' | 'saturation' | 'sharpness'>;
export type Invitation = Schemas['Invitation'];
export type LogEntry = Schemas['LogEntry'];
export type Passkey = Schemas['Passkey'];
export type Person = Schemas['Person'];
export type PersonalKey = Schemas['PersonalKey'];
export type Probe = Schemas['Probe'];
export type Session = Schemas['Session'];
export type Settings = Schemas['Settings'];
export type SharedView = Schemas['View'];
export type ShareLink = Schemas['Share'];
export type Setup = Schemas['Setup'];
export type Storage = Schemas['Storage'];
export type Token = Schemas['Token'];
export type Track = Schemas['Track'];
export type User = Schemas['User'];
export type Vault = Schemas['Vault'];

/** What a camera's connection does: see camera.Phase of the box, and isolated where it keeps away from the camera. */
export type Phase = 'connecting' | 'streaming' | 'waiting' | 'refused' | 'doubted' | 'isolated' | 'unusable' | 'stopped';

export type Mode = Camera['mode'];
export type Trust = Camera['trust'];
