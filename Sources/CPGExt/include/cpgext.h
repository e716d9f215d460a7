/* cpgext.h: the extension exports nothing to Swift; its C headers are in private/. */
