"""ONVIF's interface definitions as zeep loads them: from a folder, and without the internet."""
import zeep
from lxml import etree

# What the definitions import from elsewhere and no answer here uses. There is no internet in a test.
ELSEWHERE = {
    "xmlmime": """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="http://www.w3.org/2005/05/xmlmime" targetNamespace="http://www.w3.org/2005/05/xmlmime">
<xs:attribute name="contentType" type="xs:string"/><xs:complexType name="base64Binary"><xs:simpleContent><xs:extension base="xs:base64Binary"/></xs:simpleContent></xs:complexType></xs:schema>""",
    "xop/include": """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="http://www.w3.org/2004/08/xop/include" targetNamespace="http://www.w3.org/2004/08/xop/include">
<xs:element name="Include" type="Include"/><xs:complexType name="Include"><xs:attribute name="href" type="xs:anyURI"/></xs:complexType></xs:schema>""",
    "soap-envelope": """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="http://www.w3.org/2003/05/soap-envelope" targetNamespace="http://www.w3.org/2003/05/soap-envelope">
<xs:complexType name="Envelope"/><xs:complexType name="Fault"/></xs:schema>""",
    # WS-BaseNotification 1.3, WS-Topics 1.3 and WS-Addressing 1.0: the parts that answers to a pull are made of.
    "wsn/b-2.xsd": """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="http://docs.oasis-open.org/wsn/b-2" xmlns:wsa="http://www.w3.org/2005/08/addressing" targetNamespace="http://docs.oasis-open.org/wsn/b-2" elementFormDefault="qualified">
<xs:import namespace="http://www.w3.org/2005/08/addressing" schemaLocation="http://www.w3.org/2005/08/addressing/ws-addr.xsd"/>
<xs:complexType name="FilterType"><xs:sequence><xs:any minOccurs="0" maxOccurs="unbounded" processContents="lax"/></xs:sequence></xs:complexType>
<xs:simpleType name="AbsoluteOrRelativeTimeType"><xs:union memberTypes="xs:dateTime xs:duration"/></xs:simpleType>
<xs:complexType name="TopicExpressionType"><xs:simpleContent><xs:extension base="xs:string"><xs:attribute name="Dialect" type="xs:anyURI" use="required"/></xs:extension></xs:simpleContent></xs:complexType>
<xs:element name="CurrentTime" type="xs:dateTime"/><xs:element name="TerminationTime" type="xs:dateTime" nillable="true"/>
<xs:element name="FixedTopicSet" type="xs:boolean"/><xs:element name="TopicExpressionDialect" type="xs:anyURI"/>
<xs:complexType name="NotificationMessageHolderType"><xs:sequence><xs:element name="SubscriptionReference" type="wsa:EndpointReferenceType" minOccurs="0"/><xs:element name="Topic" type="TopicExpressionType" minOccurs="0"/>
<xs:element name="ProducerReference" type="wsa:EndpointReferenceType" minOccurs="0"/><xs:element name="Message"><xs:complexType><xs:sequence><xs:any processContents="lax"/></xs:sequence></xs:complexType></xs:element></xs:sequence></xs:complexType>
<xs:element name="NotificationMessage" type="NotificationMessageHolderType"/></xs:schema>""",
    "wsn/t-1.xsd": """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="http://docs.oasis-open.org/wsn/t-1" targetNamespace="http://docs.oasis-open.org/wsn/t-1">
<xs:complexType name="TopicSetType"><xs:sequence><xs:any minOccurs="0" maxOccurs="unbounded" processContents="lax"/></xs:sequence></xs:complexType><xs:element name="TopicSet" type="TopicSetType"/></xs:schema>""",
    "ws-addr.xsd": """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="http://www.w3.org/2005/08/addressing" targetNamespace="http://www.w3.org/2005/08/addressing" elementFormDefault="qualified">
<xs:complexType name="Parameters"><xs:sequence><xs:any namespace="##any" processContents="lax" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType>
<xs:complexType name="EndpointReferenceType"><xs:sequence><xs:element name="Address" type="xs:anyURI"/><xs:element name="ReferenceParameters" type="Parameters" minOccurs="0"/><xs:element name="Metadata" type="Parameters" minOccurs="0"/></xs:sequence></xs:complexType></xs:schema>""",
}


def pruned(text):
    """The events service without the parts of OASIS' services that it imports: pulling is all in ONVIF's own."""
    tree = etree.fromstring(text)
    w = "{http://schemas.xmlsoap.org/wsdl/}"
    for e in [e for e in tree if e.tag == w + "import" or e.tag == w + "binding" and e.get("name") not in ("PullPointSubscriptionBinding", "EventBinding")]:
        tree.remove(e)
    for fault in list(tree.iter(w + "fault")):
        fault.getparent().remove(fault)
    for e in [e for e in tree if e.tag == w + "message" and any(p.get("element", "").startswith(("wsrf", "wsnt")) for p in e)]:
        tree.remove(e)
    return etree.tostring(tree)


class Local(zeep.Transport):
    """Loads definitions from the folder, and posts to the device only."""

    def load(self, url):
        for name, text in ELSEWHERE.items():
            if url.endswith(name):
                return text.encode()
        if "://" in url:
            raise RuntimeError("a definition is fetched from " + url)
        with open(url, "rb") as file:
            text = file.read()
        return pruned(text) if url.endswith("event.wsdl") else text
