/// A certificate authority and a server's certificate by it, for localhost and 127.0.0.1, valid from 2020 to 2120. Made for
/// these tests and of use nowhere else.
enum TestAuthority {
    static let certificate = """
        -----BEGIN CERTIFICATE-----
        MIIBdjCCAR2gAwIBAgIBATAKBggqhkjOPQQDAjAiMSAwHgYDVQQDDBdNZXNoTm9k
        ZSB0ZXN0IGF1dGhvcml0eTAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAw
        MFowIjEgMB4GA1UEAwwXTWVzaE5vZGUgdGVzdCBhdXRob3JpdHkwWTATBgcqhkjO
        PQIBBggqhkjOPQMBBwNCAASPPgAFoKXEA5cgSB1HYZ5oIpk6SrmXdH5vF3UzyK+1
        JjNE01kn896BWnaRz4brnANkw8Ah3j6t1W0U/qUyjCGXo0IwQDAPBgNVHRMBAf8E
        BTADAQH/MA4GA1UdDwEB/wQEAwIBBjAdBgNVHQ4EFgQUTVBGOo2Zlf4iQ3/iNurH
        IUXcKkYwCgYIKoZIzj0EAwIDRwAwRAIgD+tdW62w1uXjnsr+PBUkqQrOH2N2y9Zv
        eFvYu8X0igkCICyP7D9ivpZhRtoVhzeiWThBlQAqmm6XVc8b8sNbpeFu
        -----END CERTIFICATE-----
        """

    static let serverCertificate = """
        -----BEGIN CERTIFICATE-----
        MIIBqTCCAU+gAwIBAgIBAjAKBggqhkjOPQQDAjAiMSAwHgYDVQQDDBdNZXNoTm9k
        ZSB0ZXN0IGF1dGhvcml0eTAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAw
        MFowFDESMBAGA1UEAwwJbG9jYWxob3N0MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcD
        QgAEMrtUIy3TpAjBCAJH/i550WXX0BiLCjaBdLVjSSWv4NowtS+gtgEIPcZLl0ZV
        ae9CeiMn5q7uACpenLLqXorJC6OBgTB/MAwGA1UdEwEB/wQCMAAwEwYDVR0lBAww
        CgYIKwYBBQUHAwEwGgYDVR0RBBMwEYIJbG9jYWxob3N0hwR/AAABMB0GA1UdDgQW
        BBRiLG7yIhO8rqhp4WNmrsHJN2WcwjAfBgNVHSMEGDAWgBRNUEY6jZmV/iJDf+I2
        6schRdwqRjAKBggqhkjOPQQDAgNIADBFAiBvrbC7QbJ2tuh0Pzx57x4clPcf+TIF
        juJDU61ubhg4egIhAPQ6lmPdF1Utf93E3LuJTX9CUJfr6p7XeVkH30aspvOP
        -----END CERTIFICATE-----
        """

    static let serverKey = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgDL793Ejh97fB2jjb
        aqnExTkGs15Z57iU+TDyJaWaN6mhRANCAAQyu1QjLdOkCMEIAkf+LnnRZdfQGIsK
        NoF0tWNJJa/g2jC1L6C2AQg9xkuXRlVp70J6Iyfmru4AKl6csupeiskL
        -----END PRIVATE KEY-----
        """
}
