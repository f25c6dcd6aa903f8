import type en from '../en/vault';

export default {} satisfies typeof en;
