/**
 * The device grant: an identity sealed by a key that lives in this browser and cannot be read out of it, not even by
 * this code. The sealed identity is kept by the box, so taking the grant away there is enough to end it.
 */
const database = 'cardea-vault';
const store = 'device-keys';

/** Seals the identity with a fresh key of this browser, kept under the vault's id. */
export async function sealForDevice(vault: string, identity: string): Promise<Uint8Array> {
  const key = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const body = new Uint8Array(await crypto.subtle.encrypt(aead(vault, iv), key, new TextEncoder().encode(identity)));
  const out = new Uint8Array(iv.length + body.length);
  out.set(iv);
  out.set(body, iv.length);
  await run('readwrite', (s) => s.put(key, vault));
  return out;
}

/** The opposite of sealForDevice; undefined where this browser has no key for it. */
export async function openForDevice(vault: string, sealed: Uint8Array): Promise<string | undefined> {
  const key = await run<CryptoKey | undefined>('readonly', (s) => s.get(vault) as IDBRequest<CryptoKey | undefined>);
  if (!key) return undefined;
  try {
    const plain = await crypto.subtle.decrypt(aead(vault, sealed.slice(0, 12)), key, sealed.slice(12));
    return new TextDecoder().decode(plain);
  } catch {
    return undefined;
  }
}

/** Forgets the key of a vault. */
export async function forgetDevice(vault: string): Promise<void> {
  await run('readwrite', (s) => s.delete(vault));
}

function aead(vault: string, iv: Uint8Array<ArrayBuffer>): AesGcmParams {
  return { name: 'AES-GCM', iv, additionalData: new TextEncoder().encode(`cardea device grant ${vault}`) };
}

function run<T>(mode: IDBTransactionMode, work: (s: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(database, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(store);
    opening.onerror = () => reject(opening.error ?? new Error('open the key store'));
    opening.onsuccess = () => {
      const db = opening.result;
      const tx = db.transaction(store, mode);
      const request = work(tx.objectStore(store));
      tx.oncomplete = () => {
        db.close();
        resolve(request.result);
      };
      tx.onerror = tx.onabort = () => {
        db.close();
        reject(tx.error ?? new Error('use the key store'));
      };
    };
  });
}
