"""FIX 4.2 as numbers and letters: tags, message types, the names of both, and which tags carry raw data.

Constants exist for what this project sends or reads; `NAMES` is the whole FIX 4.2 dictionary, for people. A venue's
own tags never stand here: they belong to its dialect.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

ACCOUNT: Final = 1
AVG_PX: Final = 6
BEGIN_SEQ_NO: Final = 7
BEGIN_STRING: Final = 8
BODY_LENGTH: Final = 9
CHECK_SUM: Final = 10
CL_ORD_ID: Final = 11
COMMISSION: Final = 12
COMM_TYPE: Final = 13
CUM_QTY: Final = 14
END_SEQ_NO: Final = 16
EXEC_ID: Final = 17
EXEC_INST: Final = 18
EXEC_REF_ID: Final = 19
EXEC_TRANS_TYPE: Final = 20
HANDL_INST: Final = 21
LAST_MKT: Final = 30
LAST_PX: Final = 31
LAST_SHARES: Final = 32
MSG_SEQ_NUM: Final = 34
MSG_TYPE: Final = 35
NEW_SEQ_NO: Final = 36
ORDER_ID: Final = 37
ORDER_QTY: Final = 38
ORD_STATUS: Final = 39
ORD_TYPE: Final = 40
ORIG_CL_ORD_ID: Final = 41
POSS_DUP_FLAG: Final = 43
PRICE: Final = 44
REF_SEQ_NUM: Final = 45
SENDER_COMP_ID: Final = 49
SENDER_SUB_ID: Final = 50
SENDING_TIME: Final = 52
SIDE: Final = 54
SYMBOL: Final = 55
TARGET_COMP_ID: Final = 56
TEXT: Final = 58
TIME_IN_FORCE: Final = 59
TRANSACT_TIME: Final = 60
VALID_UNTIL_TIME: Final = 62
NO_ALLOCS: Final = 78
ALLOC_ACCOUNT: Final = 79
ALLOC_SHARES: Final = 80
RAW_DATA_LENGTH: Final = 95
RAW_DATA: Final = 96
ENCRYPT_METHOD: Final = 98
STOP_PX: Final = 99
CXL_REJ_REASON: Final = 102
ORD_REJ_REASON: Final = 103
HEART_BT_INT: Final = 108
TEST_REQ_ID: Final = 112
QUOTE_ID: Final = 117
SETTL_CURRENCY: Final = 120
ORIG_SENDING_TIME: Final = 122
GAP_FILL_FLAG: Final = 123
EXPIRE_TIME: Final = 126
QUOTE_REQ_ID: Final = 131
BID_PX: Final = 132
OFFER_PX: Final = 133
BID_SIZE: Final = 134
OFFER_SIZE: Final = 135
NO_MISC_FEES: Final = 136
MISC_FEE_AMT: Final = 137
MISC_FEE_CURR: Final = 138
MISC_FEE_TYPE: Final = 139
RESET_SEQ_NUM_FLAG: Final = 141
EXEC_TYPE: Final = 150
LEAVES_QTY: Final = 151
CASH_ORDER_QTY: Final = 152
EFFECTIVE_TIME: Final = 168
MAX_SHOW: Final = 210
PEG_DIFFERENCE: Final = 211
QUOTE_ACK_STATUS: Final = 297
QUOTE_REJECT_REASON: Final = 300
REF_TAG_ID: Final = 371
REF_MSG_TYPE: Final = 372
SESSION_REJECT_REASON: Final = 373
BUSINESS_REJECT_REF_ID: Final = 379
BUSINESS_REJECT_REASON: Final = 380
CXL_REJ_RESPONSE_TO: Final = 434
PASSWORD: Final = 554  # a later FIX's tag, which many FIX 4.2 venues ask for in the Logon


class MsgType:
    """MsgType (35) letters that the project knows."""

    HEARTBEAT: Final = "0"
    TEST_REQUEST: Final = "1"
    RESEND_REQUEST: Final = "2"
    REJECT: Final = "3"
    SEQUENCE_RESET: Final = "4"
    LOGOUT: Final = "5"
    EXECUTION_REPORT: Final = "8"
    ORDER_CANCEL_REJECT: Final = "9"
    LOGON: Final = "A"
    NEW_ORDER_SINGLE: Final = "D"
    ORDER_CANCEL_REQUEST: Final = "F"
    ORDER_CANCEL_REPLACE_REQUEST: Final = "G"
    ORDER_STATUS_REQUEST: Final = "H"
    QUOTE_REQUEST: Final = "R"
    QUOTE: Final = "S"
    QUOTE_ACKNOWLEDGEMENT: Final = "b"
    BUSINESS_MESSAGE_REJECT: Final = "j"


SESSION_TYPES: Final = frozenset({"0", "1", "2", "3", "4", "5", "A"})
"""The administrative messages of FIX 4.2; everything else is an application message."""


class RejectCode:
    """SessionRejectReason (373), FIX 4.2."""

    INVALID_TAG: Final = 0
    REQUIRED_TAG_MISSING: Final = 1
    TAG_WITHOUT_VALUE: Final = 4
    VALUE_INCORRECT: Final = 5
    INCORRECT_DATA_FORMAT: Final = 6
    SIGNATURE_PROBLEM: Final = 8
    COMP_ID_PROBLEM: Final = 9
    SENDING_TIME_ACCURACY: Final = 10
    INVALID_MSG_TYPE: Final = 11


DATA_TAGS: Final[Mapping[int, int]] = MappingProxyType(
    {
        90: 91,
        93: 89,
        95: 96,
        212: 213,
        348: 349,
        350: 351,
        352: 353,
        354: 355,
        356: 357,
        358: 359,
        360: 361,
        362: 363,
        364: 365,
        445: 446,
    }
)
"""Length tag → the data tag that follows it and whose value may contain SOH (FIX 4.2, "data" fields)."""

_MSG_TYPES = """
0:Heartbeat 1:TestRequest 2:ResendRequest 3:Reject 4:SequenceReset 5:Logout 6:IndicationOfInterest
7:Advertisement 8:ExecutionReport 9:OrderCancelReject A:Logon B:News C:Email D:NewOrderSingle E:NewOrderList
F:OrderCancelRequest G:OrderCancelReplaceRequest H:OrderStatusRequest J:Allocation K:ListCancelRequest
L:ListExecute M:ListStatusRequest N:ListStatus P:AllocationACK Q:DontKnowTrade R:QuoteRequest S:Quote
T:SettlementInstructions V:MarketDataRequest W:MarketDataSnapshotFullRefresh X:MarketDataIncrementalRefresh
Y:MarketDataRequestReject Z:QuoteCancel a:QuoteStatusRequest b:QuoteAcknowledgement
c:SecurityDefinitionRequest d:SecurityDefinition e:SecurityStatusRequest f:SecurityStatus
g:TradingSessionStatusRequest h:TradingSessionStatus i:MassQuote j:BusinessMessageReject k:BidRequest
l:BidResponse m:ListStrikePrice
"""
_TAGS = """
1:Account 2:AdvId 3:AdvRefID 4:AdvSide 5:AdvTransType 6:AvgPx 7:BeginSeqNo 8:BeginString 9:BodyLength
10:CheckSum 11:ClOrdID 12:Commission 13:CommType 14:CumQty 15:Currency 16:EndSeqNo 17:ExecID 18:ExecInst
19:ExecRefID 20:ExecTransType 21:HandlInst 22:IDSource 23:IOIid 24:IOIOthSvc 25:IOIQltyInd 26:IOIRefID
27:IOIShares 28:IOITransType 29:LastCapacity 30:LastMkt 31:LastPx 32:LastShares 33:LinesOfText 34:MsgSeqNum
35:MsgType 36:NewSeqNo 37:OrderID 38:OrderQty 39:OrdStatus 40:OrdType 41:OrigClOrdID 42:OrigTime
43:PossDupFlag 44:Price 45:RefSeqNum 46:RelatdSym 47:Rule80A 48:SecurityID 49:SenderCompID 50:SenderSubID
51:SendingDate 52:SendingTime 53:Shares 54:Side 55:Symbol 56:TargetCompID 57:TargetSubID 58:Text
59:TimeInForce 60:TransactTime 61:Urgency 62:ValidUntilTime 63:SettlmntTyp 64:FutSettDate 65:SymbolSfx
66:ListID 67:ListSeqNo 68:TotNoOrders 69:ListExecInst 70:AllocID 71:AllocTransType 72:RefAllocID 73:NoOrders
74:AvgPrxPrecision 75:TradeDate 76:ExecBroker 77:OpenClose 78:NoAllocs 79:AllocAccount 80:AllocShares
81:ProcessCode 82:NoRpts 83:RptSeq 84:CxlQty 85:NoDlvyInst 86:DlvyInst 87:AllocStatus 88:AllocRejCode
89:Signature 90:SecureDataLen 91:SecureData 92:BrokerOfCredit 93:SignatureLength 94:EmailType 95:RawDataLength
96:RawData 97:PossResend 98:EncryptMethod 99:StopPx 100:ExDestination 102:CxlRejReason 103:OrdRejReason
104:IOIQualifier 105:WaveNo 106:Issuer 107:SecurityDesc 108:HeartBtInt 109:ClientID 110:MinQty 111:MaxFloor
112:TestReqID 113:ReportToExch 114:LocateReqd 115:OnBehalfOfCompID 116:OnBehalfOfSubID 117:QuoteID
118:NetMoney 119:SettlCurrAmt 120:SettlCurrency 121:ForexReq 122:OrigSendingTime 123:GapFillFlag 124:NoExecs
125:CxlType 126:ExpireTime 127:DKReason 128:DeliverToCompID 129:DeliverToSubID 130:IOINaturalFlag
131:QuoteReqID 132:BidPx 133:OfferPx 134:BidSize 135:OfferSize 136:NoMiscFees 137:MiscFeeAmt 138:MiscFeeCurr
139:MiscFeeType 140:PrevClosePx 141:ResetSeqNumFlag 142:SenderLocationID 143:TargetLocationID
144:OnBehalfOfLocationID 145:DeliverToLocationID 146:NoRelatedSym 147:Subject 148:Headline 149:URLLink
150:ExecType 151:LeavesQty 152:CashOrderQty 153:AllocAvgPx 154:AllocNetMoney 155:SettlCurrFxRate
156:SettlCurrFxRateCalc 157:NumDaysInterest 158:AccruedInterestRate 159:AccruedInterestAmt 160:SettlInstMode
161:AllocText 162:SettlInstID 163:SettlInstTransType 164:EmailThreadID 165:SettlInstSource 166:SettlLocation
167:SecurityType 168:EffectiveTime 169:StandInstDbType 170:StandInstDbName 171:StandInstDbID
172:SettlDeliveryType 173:SettlDepositoryCode 174:SettlBrkrCode 175:SettlInstCode 176:SecuritySettlAgentName
177:SecuritySettlAgentCode 178:SecuritySettlAgentAcctNum 179:SecuritySettlAgentAcctName
180:SecuritySettlAgentContactName 181:SecuritySettlAgentContactPhone 182:CashSettlAgentName
183:CashSettlAgentCode 184:CashSettlAgentAcctNum 185:CashSettlAgentAcctName 186:CashSettlAgentContactName
187:CashSettlAgentContactPhone 188:BidSpotRate 189:BidForwardPoints 190:OfferSpotRate 191:OfferForwardPoints
192:OrderQty2 193:FutSettDate2 194:LastSpotRate 195:LastForwardPoints 196:AllocLinkID 197:AllocLinkType
198:SecondaryOrderID 199:NoIOIQualifiers 200:MaturityMonthYear 201:PutOrCall 202:StrikePrice
203:CoveredOrUncovered 204:CustomerOrFirm 205:MaturityDay 206:OptAttribute 207:SecurityExchange
208:NotifyBrokerOfCredit 209:AllocHandlInst 210:MaxShow 211:PegDifference 212:XmlDataLen 213:XmlData
214:SettlInstRefID 215:NoRoutingIDs 216:RoutingType 217:RoutingID 218:SpreadToBenchmark 219:Benchmark
223:CouponRate 231:ContractMultiplier 262:MDReqID 263:SubscriptionRequestType 264:MarketDepth 265:MDUpdateType
266:AggregatedBook 267:NoMDEntryTypes 268:NoMDEntries 269:MDEntryType 270:MDEntryPx 271:MDEntrySize
272:MDEntryDate 273:MDEntryTime 274:TickDirection 275:MDMkt 276:QuoteCondition 277:TradeCondition
278:MDEntryID 279:MDUpdateAction 280:MDEntryRefID 281:MDReqRejReason 282:MDEntryOriginator 283:LocationID
284:DeskID 285:DeleteReason 286:OpenCloseSettleFlag 287:SellerDays 288:MDEntryBuyer 289:MDEntrySeller
290:MDEntryPositionNo 291:FinancialStatus 292:CorporateAction 293:DefBidSize 294:DefOfferSize
295:NoQuoteEntries 296:NoQuoteSets 297:QuoteAckStatus 298:QuoteCancelType 299:QuoteEntryID
300:QuoteRejectReason 301:QuoteResponseLevel 302:QuoteSetID 303:QuoteRequestType 304:TotQuoteEntries
305:UnderlyingIDSource 306:UnderlyingIssuer 307:UnderlyingSecurityDesc 308:UnderlyingSecurityExchange
309:UnderlyingSecurityID 310:UnderlyingSecurityType 311:UnderlyingSymbol 312:UnderlyingSymbolSfx
313:UnderlyingMaturityMonthYear 314:UnderlyingMaturityDay 315:UnderlyingPutOrCall 316:UnderlyingStrikePrice
317:UnderlyingOptAttribute 318:UnderlyingCurrency 319:RatioQty 320:SecurityReqID 321:SecurityRequestType
322:SecurityResponseID 323:SecurityResponseType 324:SecurityStatusReqID 325:UnsolicitedIndicator
326:SecurityTradingStatus 327:HaltReason 328:InViewOfCommon 329:DueToRelated 330:BuyVolume 331:SellVolume
332:HighPx 333:LowPx 334:Adjustment 335:TradSesReqID 336:TradingSessionID 337:ContraTrader 338:TradSesMethod
339:TradSesMode 340:TradSesStatus 341:TradSesStartTime 342:TradSesOpenTime 343:TradSesPreCloseTime
344:TradSesCloseTime 345:TradSesEndTime 346:NumberOfOrders 347:MessageEncoding 348:EncodedIssuerLen
349:EncodedIssuer 350:EncodedSecurityDescLen 351:EncodedSecurityDesc 352:EncodedListExecInstLen
353:EncodedListExecInst 354:EncodedTextLen 355:EncodedText 356:EncodedSubjectLen 357:EncodedSubject
358:EncodedHeadlineLen 359:EncodedHeadline 360:EncodedAllocTextLen 361:EncodedAllocText
362:EncodedUnderlyingIssuerLen 363:EncodedUnderlyingIssuer 364:EncodedUnderlyingSecurityDescLen
365:EncodedUnderlyingSecurityDesc 366:AllocPrice 367:QuoteSetValidUntilTime 368:QuoteEntryRejectReason
369:LastMsgSeqNumProcessed 370:OnBehalfOfSendingTime 371:RefTagID 372:RefMsgType 373:SessionRejectReason
374:BidRequestTransType 375:ContraBroker 376:ComplianceID 377:SolicitedFlag 378:ExecRestatementReason
379:BusinessRejectRefID 380:BusinessRejectReason 381:GrossTradeAmt 382:NoContraBrokers 383:MaxMessageSize
384:NoMsgTypes 385:MsgDirection 386:NoTradingSessions 387:TotalVolumeTraded 388:DiscretionInst
389:DiscretionOffset 390:BidID 391:ClientBidID 392:ListName 393:TotalNumSecurities 394:BidType 395:NumTickets
396:SideValue1 397:SideValue2 398:NoBidDescriptors 399:BidDescriptorType 400:BidDescriptor 401:SideValueInd
402:LiquidityPctLow 403:LiquidityPctHigh 404:LiquidityValue 405:EFPTrackingError 406:FairValue
407:OutsideIndexPct 408:ValueOfFutures 409:LiquidityIndType 410:WtAverageLiquidity 411:ExchangeForPhysical
412:OutMainCntryUIndex 413:CrossPercent 414:ProgRptReqs 415:ProgPeriodInterval 416:IncTaxInd 417:NumBidders
418:TradeType 419:BasisPxType 420:NoBidComponents 421:Country 422:TotNoStrikes 423:PriceType 424:DayOrderQty
425:DayCumQty 426:DayAvgPx 427:GTBookingInst 428:NoStrikes 429:ListStatusType 430:NetGrossInd
431:ListOrderStatus 432:ExpireDate 433:ListExecInstType 434:CxlRejResponseTo 435:UnderlyingCouponRate
436:UnderlyingContractMultiplier 437:ContraTradeQty 438:ContraTradeTime 439:ClearingFirm 440:ClearingAccount
441:LiquidityNumSecurities 442:MultiLegReportingType 443:StrikeTime 444:ListStatusText
445:EncodedListStatusTextLen 446:EncodedListStatusText 554:Password
"""

MSG_TYPE_NAMES: Final[Mapping[str, str]] = MappingProxyType(dict(pair.split(":") for pair in _MSG_TYPES.split()))
"""FIX 4.2 names of message types, for people who read messages."""

NAMES: Final[Mapping[int, str]] = MappingProxyType(
    {int(tag): name for tag, name in (pair.split(":") for pair in _TAGS.split())}
)
"""FIX 4.2 names of tags, for people who read messages."""
