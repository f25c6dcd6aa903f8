import type en from '../en/signin';

export default {} satisfies typeof en;
