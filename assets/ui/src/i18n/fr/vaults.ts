import type en from '../en/vaults';

export default {} satisfies typeof en;
