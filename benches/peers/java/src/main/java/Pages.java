import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.Security;
import java.security.Signature;
import java.security.cert.X509Certificate;
import java.security.spec.ECGenParameterSpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Calendar;
import java.util.Date;
import java.util.List;
import org.apache.fontbox.ttf.TTFParser;
import org.apache.fontbox.ttf.TrueTypeFont;
import org.apache.pdfbox.Loader;
import org.apache.pdfbox.io.RandomAccessReadBufferedFile;
import org.apache.pdfbox.pdmodel.PDDocument;
import org.apache.pdfbox.pdmodel.PDPage;
import org.apache.pdfbox.pdmodel.PDPageContentStream;
import org.apache.pdfbox.pdmodel.common.PDRectangle;
import org.apache.pdfbox.pdmodel.font.PDFont;
import org.apache.pdfbox.pdmodel.font.PDType0Font;
import org.apache.pdfbox.pdmodel.graphics.image.PDImageXObject;
import org.apache.pdfbox.pdmodel.interactive.digitalsignature.PDSignature;
import org.bouncycastle.asn1.ASN1GeneralizedTime;
import org.bouncycastle.asn1.ASN1Integer;
import org.bouncycastle.asn1.DEROctetString;
import org.bouncycastle.asn1.DERUTF8String;
import org.bouncycastle.asn1.gm.GMObjectIdentifiers;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.cert.jcajce.JcaCertStore;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedDataGenerator;
import org.bouncycastle.cms.jcajce.JcaSignerInfoGeneratorBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.ContentSigner;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;
import org.ofdrw.font.Font;
import org.ofdrw.gm.ses.v1.SES_ESPictrueInfo;
import org.ofdrw.gm.ses.v1.SES_Header;
import org.ofdrw.gm.ses.v4.CertInfoList;
import org.ofdrw.gm.ses.v4.SESeal;
import org.ofdrw.gm.ses.v4.SES_CertList;
import org.ofdrw.gm.ses.v4.SES_ESPropertyInfo;
import org.ofdrw.gm.ses.v4.SES_SealInfo;
import org.ofdrw.layout.OFDDoc;
import org.ofdrw.layout.VirtualPage;
import org.ofdrw.layout.element.Position;
import org.ofdrw.layout.element.canvas.Canvas;
import org.ofdrw.layout.element.canvas.FontSetting;
import org.ofdrw.reader.OFDReader;
import org.ofdrw.sign.OFDSigner;
import org.ofdrw.sign.SignMode;
import org.ofdrw.sign.signContainer.SESV4Container;
import org.ofdrw.sign.stamppos.NormalStampPos;

/**
 * The page of `pages.py` by PDFBox, signed with P-256, and by ofdrw, sealed with SM2.
 *
 * <p>Pages DIR FONTS NAME NUMBER: a line each on standard output, kind, name, fastest and median in ms, bytes.
 */
public final class Pages {
    private static final int WARM = 60;
    private static final int TIMED = 200;
    private static final long MOST_NANOSECONDS = 30_000_000_000L;
    private static final double MM = 72 / 25.4;

    record Text(double x, double y, double size, int[] color, boolean bold, String words) {}

    record Picture(Path file, double x, double y, double w, double h) {}

    private final Path folder;
    private final Path fonts;
    private final String name;
    private final String number;
    private final List<Text> texts = new ArrayList<>();
    private final List<Picture> pictures = new ArrayList<>();
    private final List<double[]> frames = new ArrayList<>();
    private final List<double[]> modules = new ArrayList<>();

    public static void main(String[] given) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        Pages pages = new Pages(Path.of(given[0]), Path.of(given[1]), given[2], given[3]);
        pages.time("PDF", "PDFBox 3.0.5, signed", "pdfbox.pdf", pages.pdfbox());
        pages.time("OFD", "ofdrw 2.3.1, sealed", "ofdrw.ofd", pages.ofdrw());
    }

    private Pages(Path folder, Path fonts, String name, String number) throws Exception {
        this.folder = folder;
        this.fonts = fonts;
        this.name = name;
        this.number = number;
        for (String line : Files.readAllLines(folder.resolve("page.tsv"))) {
            String[] part = line.split("\t");
            double[] n = Arrays.stream(part).mapToDouble(Pages::orZero).toArray();
            switch (part[0]) {
                case "text" -> {
                    int[] color = Arrays.stream(part[4].split(",")).mapToInt(Integer::parseInt).toArray();
                    texts.add(new Text(n[1], n[2], n[3], color, part[5].equals("True"), part[6]));
                }
                case "picture" -> pictures.add(new Picture(Path.of(part[1]), n[2], n[3], n[4], n[5]));
                case "frame" -> frames.add(new double[] {n[1], n[2]});
                default -> modules.add(new double[] {n[1], n[2], n[3], n[4]});
            }
        }
    }

    private static double orZero(String text) {
        try {
            return Double.parseDouble(text);
        } catch (NumberFormatException none) {
            return 0;
        }
    }

    /** What this holder's page says in place of the sample's. */
    private String words(Text text, int holder) {
        if (text.words.equals(name)) return List.of("王䶮", "李文博", "赵晓燕", "陈思雨").get(holder % 4);
        if (text.words.equals(number)) return "京1112012201" + (990001 + holder);
        return text.words;
    }

    interface Maker {
        byte[] make(int holder) throws Exception;
    }

    private void time(String kind, String peer, String file, Maker maker) throws Exception {
        byte[] specimen = maker.make(0);
        Files.write(folder.resolve(file), specimen);
        long until = System.nanoTime() + MOST_NANOSECONDS;
        List<Double> times = new ArrayList<>();
        for (int i = 1; times.size() < TIMED && System.nanoTime() < until; i++) {
            long began = System.nanoTime();
            maker.make(i);
            if (i > WARM) times.add((System.nanoTime() - began) / 1e6);
        }
        times.sort(null);
        System.out.printf("%s\t%s\t%f\t%f\t%d%n", kind, peer, times.get(0), times.get(times.size() / 2), specimen.length);
    }

    private Maker pdfbox() throws Exception {
        TrueTypeFont hei = new TTFParser().parse(new RandomAccessReadBufferedFile(fonts.resolve("Hei.ttf").toFile()));
        TrueTypeFont bold = new TTFParser().parse(new RandomAccessReadBufferedFile(fonts.resolve("HeiBold.ttf").toFile()));
        List<byte[]> images = new ArrayList<>();
        for (Picture picture : pictures) images.add(Files.readAllBytes(picture.file));
        KeyPairGenerator keys = KeyPairGenerator.getInstance("EC");
        keys.initialize(new ECGenParameterSpec("secp256r1"));
        KeyPair key = keys.generateKeyPair();
        X509Certificate certificate = certificate(key, "SHA256withECDSA");
        return holder -> {
            ByteArrayOutputStream drawn = new ByteArrayOutputStream();
            try (PDDocument document = new PDDocument()) {
                PDPage page = new PDPage(new PDRectangle((float) (210 * MM), (float) (297 * MM)));
                document.addPage(page);
                document.getDocumentInformation().setTitle(texts.get(0).words);
                PDFont plain = PDType0Font.load(document, hei, true);
                PDFont heavy = PDType0Font.load(document, bold, true);
                try (PDPageContentStream out = new PDPageContentStream(document, page)) {
                    out.setStrokingColor(63 / 255f, 120 / 255f, 181 / 255f);
                    for (double[] frame : frames) {
                        out.setLineWidth((float) (frame[1] * MM));
                        rectangle(out, frame[0], frame[0], 210 - 2 * frame[0], 297 - 2 * frame[0]);
                        out.stroke();
                    }
                    for (Text text : texts) {
                        out.beginText();
                        out.setFont(text.bold ? heavy : plain, (float) (text.size * MM));
                        out.setNonStrokingColor(text.color[0] / 255f, text.color[1] / 255f, text.color[2] / 255f);
                        out.newLineAtOffset((float) (text.x * MM), (float) ((297 - text.y) * MM));
                        out.showText(words(text, holder));
                        out.endText();
                    }
                    for (int i = 0; i < images.size(); i++) {
                        Picture at = pictures.get(i);
                        PDImageXObject image = PDImageXObject.createFromByteArray(document, images.get(i), null);
                        out.drawImage(image, (float) (at.x * MM), (float) ((297 - at.y - at.h) * MM), (float) (at.w * MM), (float) (at.h * MM));
                    }
                    out.setNonStrokingColor(0f);
                    for (double[] module : modules) rectangle(out, module[0], module[1], module[2], module[3]);
                    out.fill();
                }
                document.save(drawn);
            }
            ByteArrayOutputStream signed = new ByteArrayOutputStream();
            try (PDDocument document = Loader.loadPDF(drawn.toByteArray())) {
                PDSignature signature = new PDSignature();
                signature.setFilter(PDSignature.FILTER_ADOBE_PPKLITE);
                signature.setSubFilter(PDSignature.SUBFILTER_ETSI_CADES_DETACHED);
                signature.setSignDate(Calendar.getInstance());
                document.addSignature(signature, content -> cms(content, key.getPrivate(), certificate));
                document.saveIncremental(signed);
            }
            return signed.toByteArray();
        };
    }

    private static void rectangle(PDPageContentStream out, double x, double y, double w, double h) throws java.io.IOException {
        out.addRect((float) (x * MM), (float) ((297 - y - h) * MM), (float) (w * MM), (float) (h * MM));
    }

    private static byte[] cms(InputStream content, PrivateKey key, X509Certificate certificate) throws java.io.IOException {
        try {
            CMSSignedDataGenerator generator = new CMSSignedDataGenerator();
            ContentSigner signer = new JcaContentSignerBuilder("SHA256withECDSA").build(key);
            generator.addSignerInfoGenerator(
                new JcaSignerInfoGeneratorBuilder(new JcaDigestCalculatorProviderBuilder().build()).build(signer, certificate));
            generator.addCertificates(new JcaCertStore(List.of(certificate)));
            return generator.generate(new CMSProcessableByteArray(content.readAllBytes()), false).getEncoded();
        } catch (Exception cause) {
            throw new java.io.IOException(cause);
        }
    }

    private Maker ofdrw() throws Exception {
        KeyPairGenerator keys = KeyPairGenerator.getInstance("EC", "BC");
        keys.initialize(new ECGenParameterSpec("sm2p256v1"));
        KeyPair key = keys.generateKeyPair();
        X509Certificate certificate = certificate(key, "SM3withSM2");
        SESeal seal = seal(key.getPrivate(), certificate);
        // Not embedded, for ofdrw has no subsets: a document would carry megabytes.
        Font plain = new Font("Certpress Hei", "Certpress Hei", fonts.resolve("Hei.ttf")).setEmbeddable(false);
        Font heavy = new Font("Certpress Hei Bold", "Certpress Hei Bold", fonts.resolve("HeiBold.ttf")).setEmbeddable(false);
        return holder -> {
            ByteArrayOutputStream drawn = new ByteArrayOutputStream();
            try (OFDDoc document = new OFDDoc(drawn)) {
                VirtualPage page = new VirtualPage(210d, 297d);
                Canvas canvas = new Canvas(0, 0, 210, 297);
                canvas.setPosition(Position.Absolute).setDrawer(out -> {
                    out.setStrokeColor(63, 120, 181);
                    for (double[] frame : frames) {
                        out.setLineWidth(frame[1]);
                        out.strokeRect(frame[0], frame[0], 210 - 2 * frame[0], 297 - 2 * frame[0]);
                    }
                    for (Text text : texts) {
                        out.setFont(new FontSetting(text.size, text.bold ? heavy : plain));
                        out.setFillColor(text.color);
                        out.fillText(words(text, holder), text.x, text.y);
                    }
                    for (Picture at : pictures) out.drawImage(at.file, at.x, at.y, at.w, at.h);
                    out.setFillColor(0, 0, 0);
                    out.beginPath();
                    for (double[] module : modules) out.rect(module[0], module[1], module[2], module[3]);
                    out.fill();
                });
                page.add(canvas);
                document.addVPage(page);
            }
            ByteArrayOutputStream sealed = new ByteArrayOutputStream();
            try (OFDReader reader = new OFDReader(new ByteArrayInputStream(drawn.toByteArray()));
                OFDSigner signer = new OFDSigner(reader, sealed)) {
                signer.setSignMode(SignMode.WholeProtected);
                signer.setSignContainer(new SESV4Container(key.getPrivate(), seal, certificate));
                signer.addApPos(new NormalStampPos(1, 140, 230, 40, 40));
                signer.exeSign();
            }
            return sealed.toByteArray();
        };
    }

    /** An electronic seal (GB/T 38540) with the signature picture for its image. */
    private SESeal seal(PrivateKey key, X509Certificate certificate) throws Exception {
        Date now = new Date();
        ASN1GeneralizedTime from = new ASN1GeneralizedTime(now);
        ASN1GeneralizedTime to = new ASN1GeneralizedTime(new Date(now.getTime() + 86_400_000L * 30));
        SES_ESPropertyInfo property = new SES_ESPropertyInfo(
            new ASN1Integer(1), new DERUTF8String("peer"), SES_ESPropertyInfo.CertListType,
            new SES_CertList(new CertInfoList().add(new DEROctetString(certificate.getEncoded()))), from, from, to);
        SES_ESPictrueInfo picture = new SES_ESPictrueInfo()
            .setType("PNG").setData(Files.readAllBytes(pictures.get(1).file)).setWidth(40).setHeight(40);
        SES_Header header = new SES_Header().setVersion(4).setVid("peer");
        SES_SealInfo info = new SES_SealInfo().setHeader(header).setEsID("peer-1").setProperty(property).setPicture(picture);
        Signature signature = Signature.getInstance("SM3withSM2", "BC");
        signature.initSign(key);
        signature.update(info.getEncoded("DER"));
        return new SESeal().seteSealInfo(info).setCert(certificate).setSignAlgID(GMObjectIdentifiers.sm2sign_with_sm3)
            .setSignedValue(signature.sign());
    }

    private static X509Certificate certificate(KeyPair key, String algorithm) throws Exception {
        X500Name name = new X500Name("CN=peer");
        Date now = new Date();
        ContentSigner signer = new JcaContentSignerBuilder(algorithm).setProvider("BC").build(key.getPrivate());
        var builder = new JcaX509v3CertificateBuilder(
            name, BigInteger.ONE, now, new Date(now.getTime() + 86_400_000L * 30), name, key.getPublic());
        return new JcaX509CertificateConverter().setProvider("BC").getCertificate(builder.build(signer));
    }
}
